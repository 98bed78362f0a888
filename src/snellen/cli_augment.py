"""Commands about augmentation, one short function each: expand a small set, search for a policy."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

DATA = Annotated[list[Path], typer.Argument(help="Folders of images (class folders, with or without train/val/test) or a CSV or Parquet list.")]  # fmt: skip
SET = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe, e.g. augment.parts=[{name: flip}]. May repeat.")]  # fmt: skip
SEED = Annotated[int, typer.Option("--seed", min=0, help="Seed of what is drawn.")]
JSON = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on standard output.")]


def expand(
    data: DATA, out: Annotated[Path, typer.Option("--out", help="A new folder.")],
    times: Annotated[int, typer.Option("--times", help="So many times as many training images: 2 to 10.")] = 3,
    set_: SET = None, seed: SEED = 0, json: JSON = False,
) -> None:  # fmt: skip
    """Write augmented copies of the training images of a small set; copies stay in the split of their original.

    Example: snellen expand photos/ --times 4 --out photos-x4
    """
    from snellen import show
    from snellen.entry import ready
    from snellen.progress import Watcher

    with ready(None, None) as (_, console):
        from snellen import curate

        watcher = Watcher(console)
        with watcher.live():
            answer = curate.expand(data, out=out, times=times, changes={**_changes(set_), "seed": seed}, watch=watcher)
    show.written(answer, json=json)


def policy(
    data: DATA,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for everything that is written. Default: snellen-runs/NAME-TIME.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", help="YAML recipe; what it leaves out is advised.")] = None,
    set_: SET = None, seed: SEED = 0, json: JSON = False,
    images: Annotated[int, typer.Option("--images", min=20, help="Training images that are looked at.")] = 400,
    confirm: Annotated[int, typer.Option("--confirm", min=0, help="Train so many seeds of the whole recipe with and without what was found.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped or killed search left off.")] = False,
) -> None:  # fmt: skip
    """Search for the augmentation operations and strengths that suit these images, on validation; test is never read.

    Example: snellen policy photos/ --confirm 2
    """
    from snellen.entry import ready
    from snellen.progress import Stopper, Watcher

    with ready(None, recipe) as (_, console):
        from snellen.policy import policy as search

        watcher, stopper = Watcher(console), Stopper(console)
        with watcher.live(), stopper.listening():
            answer = search(
                data, out=out, recipe=recipe, changes={**_changes(set_), "seed": seed}, images=images, confirm=confirm,
                resume=resume, watch=watcher, stop=stopper,
            )  # fmt: skip
    _show(answer, json=json)


def _show(answer: dict[str, Any], *, json: bool) -> None:
    if json:
        from snellen.store import plain

        print(jsonlib.dumps(plain(answer), ensure_ascii=False, allow_nan=False))
        return
    print(
        f"against no augmentation, in nats of the {answer['metric']}, frozen network, {answer['validation'][0]} images:"
    )
    for item in answer["policies"]:
        print(f"  {item['effect']:+.4f} [{item['low']:+.4f}, {item['high']:+.4f}]  {item['name']}")
    print(f"chosen: {answer['chosen']['name']}; on images that had no say:")
    for words, item in answer["judged"].items():
        print(
            f"  {words}: {item['effect']:+.4f} [{item['low']:+.4f}, {item['high']:+.4f}], n = {item['n']} x {item['seeds']}"
        )
    print(f"use it: --recipe {answer['files'][0]}   ({answer['seconds']:.0f} s)")


def _changes(items: list[str] | None) -> dict[str, Any]:
    from snellen.entry import changes

    try:
        return changes(items or [])
    except ValueError as error:
        print(f"snellen: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
