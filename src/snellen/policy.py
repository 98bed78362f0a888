"""Policy: the verb that searches for the augmentation of the user's own images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from snellen import opening, prepare, store
from snellen.improve import policy as searched
from snellen.improve.lab import Lab
from snellen.opening import Settings, Sources, path_of, paths_of

Watch = Callable[[Mapping[str, Any]], None]


def policy(
    sources: Sources,
    *,
    out: str | Path | None = None,
    recipe: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    images: int = 400,
    confirm: int = 0,
    resume: bool = False,
    watch: Watch = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Search for augmentation operations and their strength on the user's validation images; test is never read.

    Writes policy.json (all that was tried, with effects and intervals) and policy.yaml (augment.parts, for `--recipe`) into
    the case and returns what policy.json holds with "files" and "seconds". `images` training images are looked at; `confirm`
    seeds of the whole recipe are trained with and without the policy found (0: the frozen network's word is all there is).
    Raises SnellenError for input or settings that cannot be used, Interrupted when `stop` said so.
    """
    began = time.monotonic()
    settings = Settings(paths_of(sources), None, path_of(recipe), dict(changes or {}), None)
    case = opening.open_case(settings, out=path_of(out), resume=resume)
    settings = opening.settled(case, settings)
    plan = prepare.prepare(case, settings, watch=watch)
    lab = Lab(case, plan.catalog, plan.pixels, plan.setting, case.folder / "cache", watch, stop, None)
    found = searched.search(lab, plan.recipe, images=images, confirm=confirm)
    patch = {"augment": {"parts": found["chosen"]["parts"]}}
    store.write_text(
        case.folder / "policy.yaml", yaml.safe_dump(store.plain(patch), sort_keys=False, allow_unicode=True)
    )
    files = [str(case.folder / name) for name in ("policy.yaml", "policy.json")]
    answer = {**found, "files": files, "seconds": time.monotonic() - began}
    case.write("policy", answer)
    return answer
