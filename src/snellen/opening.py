"""Opening: what the user asked for, and the case folder that it is answered in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.improve.score import own
from snellen.recipe import Recipe
from snellen.shelf import MODELS, TASKS, hint
from snellen.values import SnellenError

Sources = str | Path | Sequence[str | Path]


def paths_of(sources: Sources) -> tuple[Path, ...]:
    """What a verb was given, one folder or list or several, as paths."""
    return tuple(Path(item) for item in ([sources] if isinstance(sources, str | Path) else sources))


def path_of(given: str | Path | None) -> Path | None:
    """A path that may be left out."""
    return None if given is None else Path(given)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for."""

    sources: tuple[Path, ...]
    budget: float | None = None
    recipe: Path | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None
    task: str | None = None  # What the annotations are to be read for; None: what they are for.
    folds: int | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "sources": [str(path.resolve()) for path in self.sources], "budget": self.budget,
            "recipe": str(self.recipe.resolve()) if self.recipe else None, "changes": dict(self.changes), "epochs": self.epochs,
            "task": self.task, "folds": self.folds,
        }  # fmt: skip

    @classmethod
    def of(cls, known: Mapping[str, Any]) -> Settings:
        """From what `plain` gave."""
        recipe = Path(known["recipe"]) if known["recipe"] else None
        return cls(tuple(map(Path, known["sources"])), known["budget"], recipe, known["changes"], known["epochs"],
                   known.get("task"), known.get("folds"))  # fmt: skip

    def wanted(self) -> tuple[Recipe, dict[str, Any]]:
        """The user's recipe with the user's changes, and the dotted keys that are the user's own; raises SnellenError
        for a value or a name that there is not, before anything is read."""
        # What is not trained, but read: the reading refuses it where the data does not serve it.
        asked = {"task": self.task} if self.task in TASKS.names() else {}
        recipe = (Recipe.load(self.recipe) if self.recipe else Recipe()).change({**self.changes, **asked})
        # Read a second time as it stands: a loaded recipe does not tell what was written from what was filled in.
        file = yaml.safe_load(self.recipe.read_text(encoding="utf-8")) if self.recipe else {}
        given = {**_leaves(file), **self.changes, **asked}
        staged = [key for key in given if key.partition(".")[0] == "stages"]
        if self.epochs is not None and staged:
            raise SnellenError(
                f"--epochs {self.epochs} shares epochs out over the advised stages, and {staged[0]} was set too; leave one of them out"
            )
        if "task" in given:
            TASKS.file(recipe.task)
            recipe = with_defaults(recipe, given)
        recipe.resolve()
        # Where the data will tell the task, any task's metric may be meant.
        known = own(recipe.task) if "task" in given else tuple(metric for task in TASKS.names() for metric in own(task))
        _measurable(recipe, known)
        return _of_one_size(recipe, given)


def for_data(recipe: Recipe, given: Mapping[str, Any], catalog: Catalog, source: Path) -> Recipe:
    """The recipe for the task that these annotations are for (the user's where it was stated), with that task's defaults.

    Raises SnellenError where nothing can be trained on them, or the task has not the metric."""
    fitting = [name for name in TASKS.names() if TASKS.constant(name, "DATA") == catalog.task]
    if "task" not in given and len(fitting) == 1:
        recipe = with_defaults(recipe.change({"task": fitting[0]}), given)
    if recipe.task not in fitting:
        form, names = catalog.about("format"), ", ".join(TASKS.names())
        plain = [name for name in TASKS.names() if TASKS.constant(name, "DATA") == "images"]
        means = (
            f"; say which with --task: {' or '.join(fitting)}"
            if fitting and "task" not in given
            else (
                f", and what can be trained is {names}; {' and '.join(plain)} need images alone (say --task); "
                f"to examine the data use: snellen audit {source}"
            )
        )
        raise SnellenError(f"{source} is annotated for {catalog.task}{f' ({form})' if form else ''}{means}")
    _measurable(recipe, own(recipe.task))
    return recipe


def with_defaults(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    """The recipe with its task's own defaults where the user has set nothing."""
    defaults: Mapping[str, Any] = TASKS.constant(recipe.task, "RECIPE") or {}

    return recipe.change({key: value for key, value in defaults.items() if not _given(key, given)})


def _given(key: str, given: Mapping[str, Any]) -> bool:
    """Whether the user set this key: itself, something below it, or within a whole section above it."""
    for mine, value in given.items():
        if f"{mine}.".startswith(f"{key}."):
            return True
        if key.startswith(f"{mine}."):
            inner: Any = value
            for step in key[len(mine) + 1 :].split("."):
                inner = inner.get(step) if isinstance(inner, Mapping) else None
            if inner is not None:
                return True
    return False


def _measurable(recipe: Recipe, known: tuple[str, ...]) -> None:
    # Refused before anything is trained: the proof needs a score of every single sample.
    if recipe.metric not in known:
        raise SnellenError(f"metric {recipe.metric!r} has no score per sample{hint(recipe.metric, known)}")


def _of_one_size(recipe: Recipe, given: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    """A model that is built for images of one size gets the same one in training and at evaluation: the user's, else the
    one that it was pretrained at."""
    ask = getattr(MODELS.module(recipe.model_part().name), "only_size", None)
    native = ask(recipe.model.name) if ask else None
    if native is None:
        return recipe, given
    size = given.get("data.size") or given.get("data.eval_size") or native
    patch = {key: size for key in ("data.size", "data.eval_size") if key not in given}
    return recipe.change(patch), {**given, **patch}


def cache_folder() -> Path:
    """What is shared by all cases: $SNELLEN_CACHE, else the user's cache folder."""
    given = os.environ.get("SNELLEN_CACHE")
    root = os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else (Path(root) if root else Path.home() / ".cache") / "snellen"


def fresh_folder(name: str) -> Path:
    """A new folder's path under snellen-runs, named after the data and the time."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("snellen-runs") / f"{_plain(name)}-{stamp}"


def _plain(name: str) -> str:
    # Letters of any script stay; what a shell or a glob would read does not.
    return re.sub(r"[^\w.-]+", "_", name) or "data"


def open_case(settings: Settings, *, out: Path | None, resume: bool) -> Case:
    """A new case, or one to resume: the one named, else the newest of the same data. Raises SnellenError where it was begun
    with other data or settings, and for a place that cannot be written to."""
    if not settings.sources:
        raise SnellenError("no data was named; give a folder of images, or a CSV or Parquet list")
    name = settings.sources[0].resolve().name
    if resume and out is None:
        out = _newest(name, settings)
    case = Case(out or fresh_folder(name))
    _not_inside(case, settings)
    if resume:
        known = case.read("settings")
        if known is None:
            raise SnellenError(f"{case.folder} holds no case to resume; leave --resume out to begin one")
        for key, mine in settings.plain().items():
            if key in ("sources", "recipe", "changes", "epochs") and mine and mine != known.get(key):
                raise SnellenError(
                    f"{case.folder} was begun with {key} {_told(known.get(key))}, now {_told(mine)} is given; resume with the same, "
                    f"{'' if key == 'sources' else 'or without any, '}or begin a new case"
                )
        return case
    if case.folder.exists() and not case.folder.is_dir():
        raise SnellenError(f"{case.folder} is a file; --out must name a new folder")
    if case.folder.exists() and any(case.folder.iterdir()):
        raise SnellenError(f"{case.folder} is not empty; choose another --out, or --resume to go on with what is there")
    return case


def settled(case: Case, settings: Settings) -> Settings:
    """What the case was begun with, with the budget given now; on a new case what is given."""
    known = case.read("settings")
    return settings if known is None else replace(Settings.of(known), budget=settings.budget)


def _not_inside(case: Case, settings: Settings) -> None:
    for source in settings.sources:
        if source.is_dir() and case.folder.resolve().is_relative_to(source.resolve()):
            raise SnellenError(
                f"the output {case.folder} lies inside the data {source}, which is never written to; choose --out"
            )


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _newest(name: str, settings: Settings) -> Path:
    """The newest case of these sources: another folder of the same name, or of one that begins like it, is other data."""
    stamped = re.compile(re.escape(_plain(name)) + r"-\d{8}-\d{6}")
    named = sorted(path for path in Path("snellen-runs").glob("*") if stamped.fullmatch(path.name))
    mine = settings.plain()["sources"]
    found = [path for path in named if (Case(path).read("settings") or {}).get("sources") == mine]
    if not found:
        raise SnellenError(f"there is no case of {_told(mine)} under snellen-runs to resume; name it with --out")
    return found[-1]


def _leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    # Lists count as one value: a user's stages replace the advised ones as a whole.
    if isinstance(tree, dict):
        return {k: v for key, item in tree.items() for k, v in _leaves(item, f"{prefix}{key}.").items()}
    return {prefix[:-1]: tree}


def unused(folder: Path, given: Sequence[Path]) -> Path:
    """A folder to write to; raises SnellenError where it is a file or not empty, or lies in what is `given` to be read."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SnellenError(f"{folder} is not empty or no folder; choose another --out")
    for path in given:
        if path.is_dir() and folder.resolve().is_relative_to(path.resolve()):
            raise SnellenError(
                f"the output {folder} lies inside the data {path}, which is never written to; choose --out"
            )
    return folder
