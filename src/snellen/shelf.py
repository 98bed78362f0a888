"""A shelf: a folder in which every Python file is one part that can be picked by name.

The file system is the registry. The part `focal` *is* the function (or class) `focal` in `<shelf>/focal.py`.
Listing and checking settings read source text only; picking imports one file.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import functools
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from snellen.values import SnellenError

HOUSE = Path(__file__).parent
ENTRY_POINTS = "snellen.parts"
# Shelves of these rooms lie in the room itself, the others in parts/.
ROOMS = ("rules", "remedies", "tasks", "train", "ship", "report")

_folders: ContextVar[tuple[Path, ...]] = ContextVar("snellen_part_folders", default=())


@contextlib.contextmanager
def using(*folders: Path) -> Iterator[None]:
    """Within the block, also look for parts in these folders (laid out as the house: `losses/mine.py`)."""
    token = _folders.set((*_folders.get(), *(Path(folder).resolve() for folder in folders)))
    try:
        yield
    finally:
        _folders.reset(token)


@cache
def _plugin_folders() -> tuple[Path, ...]:
    """Folders offered by installed packages: an entry point names a module whose folder is laid out as the house."""
    found = []
    for point in entry_points(group=ENTRY_POINTS):
        spec = importlib.util.find_spec(point.module)
        if spec is not None and spec.submodule_search_locations:
            found.append(Path(next(iter(spec.submodule_search_locations))))
    return tuple(found)


def _within(folder: Path) -> tuple[Path, ...]:
    found = sorted(folder.glob("*.py")) if folder.is_dir() else ()
    return tuple(path for path in found if not path.stem.startswith("_"))


# The house does not change while it runs, and a recipe asks for its parts many times.
_of_house = cache(_within)


@dataclass(frozen=True, slots=True)
class Shelf:
    """One shelf, named by its path below `snellen` or `snellen/parts`: "losses", "rules/run", "remedies"."""

    name: str

    def _home(self) -> Path:
        return HOUSE / self.name if self.name.split("/")[0] in ROOMS else HOUSE / "parts" / self.name

    def files(self) -> dict[str, Path]:
        """Every part's file by name. A user's part may not hide one of the house."""
        found: dict[str, Path] = {}
        for folder in (self._home(), *(extra / self.name for extra in (*_plugin_folders(), *_folders.get()))):
            for path in _of_house(folder) if folder.is_relative_to(HOUSE) else _within(folder):
                if path.stem in found and found[path.stem] != path:
                    raise SnellenError(f"{path} has the name of {found[path.stem]}; rename one of the two")
                found[path.stem] = path
        return found

    def names(self) -> tuple[str, ...]:
        """Names on the shelf, sorted. Imports nothing."""
        return tuple(sorted(self.files()))

    def file(self, name: str) -> Path:
        """The part's file; raises SnellenError with the nearest names where there is none."""
        files = self.files()
        if name not in files:
            raise SnellenError(f"no {self.name} part is named {name!r}{hint(name, files)}")
        return files[name]

    def module(self, name: str) -> ModuleType:
        """Import the one file that holds the part."""
        path = self.file(name)
        if path.is_relative_to(HOUSE):
            return importlib.import_module(".".join(("snellen", *path.relative_to(HOUSE).with_suffix("").parts)))
        return _load(path)

    def pick(self, name: str) -> Any:
        """The part itself: the function or class of the file's name."""
        module = self.module(name)
        if not hasattr(module, name):
            raise SnellenError(f"{self.file(name)} must define {name!r}, the part it is named after")
        return getattr(module, name)

    def settings(self, name: str) -> dict[str, Any]:
        """The part's keyword-only settings with their defaults, read from the source without importing it.

        A setting without a default has the value `...`.
        """
        return dict(_settings(self.file(name), name))

    def resolve(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """All settings of the part: those given over the defaults. Raises SnellenError for an unknown or missing one."""
        known = self.settings(name)
        for key, value in given.items():
            if key not in known:
                raise SnellenError(f"{self.name} part {name!r} has no setting {key!r}{hint(key, known)}")
            if (wanted := _wanted(known[key], value)) is not None:
                raise SnellenError(f"{self.name} part {name!r}: setting {key} is {value!r}, expected {wanted}")
        missing = [key for key, value in known.items() if value is ... and key not in given]
        if missing:
            raise SnellenError(f"{self.name} part {name!r} needs a value for {', '.join(missing)}")
        return {**known, **given}

    def build(self, name: str, given: Mapping[str, Any]) -> Any:
        """Call the part with its resolved settings."""
        return self.pick(name)(**self.resolve(name, given))

    def constant(self, name: str, constant: str) -> Any:
        """A constant of the part's file, read without importing it; None where it is not there."""
        return _constant(self.file(name), constant)

    def serves(self, name: str, task: str) -> bool:
        """Whether the part is for this task: its constant TASKS names those that it is for; without one it is for all."""
        named = self.constant(name, "TASKS")
        return named is None or task in named

    def refusal(self, name: str, recipe: Any) -> str | None:
        """Why the part cannot be used with the recipe's task, or with another of its choices, if so.

        Read from its file: TASKS, those that it is for, and REFUSES: (recipe key, the one value that it works with, why).
        """
        part = f"{self.name} part {name!r}"
        if not self.serves(name, recipe.task):
            tasks = " and ".join(self.constant(name, "TASKS"))
            return f"{part} is for {tasks}, and the task is {recipe.task}; choose another"
        for key, allowed, reason in self.constant(name, "REFUSES") or ():
            value = functools.reduce(getattr, key.split("."), recipe)
            if value != allowed:
                return (
                    f"{part} cannot be used with {key} = {value}: {reason}; set {key}={allowed}, or choose another part"
                )
        return None

    def doc(self, name: str) -> str:
        """The part's docstring (or its module's), read without importing."""
        tree = ast.parse(self.file(name).read_text(encoding="utf-8"))
        return ast.get_docstring(_definition(tree, name, self.file(name))) or ast.get_docstring(tree) or ""


def hint(word: str, known: Mapping[str, Any] | tuple[str, ...]) -> str:
    """'; did you mean …?' with the nearest names, or the names there are."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    return f"; there are: {', '.join(sorted(known))}" if known else "; there are none"


def _definition(tree: ast.Module, name: str, path: Path) -> ast.FunctionDef | ast.ClassDef:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return node
    raise SnellenError(f"{path} must define {name!r}, the part it is named after")


def _wanted(default: Any, value: Any) -> str | None:
    """What the value should be, by its default's kind; None where it is that, or where the default does not tell."""
    numbers, lists = (int, float), (tuple, list)
    for kind, accepted, words in (
        (bool, (bool,), "true or false"), (numbers, numbers, "a number"), (str, (str,), "text"), (lists, lists, "a list"),
    ):  # fmt: skip
        if isinstance(default, kind):
            return None if isinstance(value, accepted) and (kind is bool or not isinstance(value, bool)) else words
    return None


@cache
def _constant(path: Path, constant: str) -> Any:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == constant for target in node.targets):
            return ast.literal_eval(node.value)
    return None


@cache
def _settings(path: Path, name: str) -> tuple[tuple[str, Any], ...]:
    node = _definition(ast.parse(path.read_text(encoding="utf-8")), name, path)
    if isinstance(node, ast.ClassDef):
        return ()
    if node.args.kwarg is not None:
        raise SnellenError(f"{path}: settings are named one by one, not taken as **{node.args.kwarg.arg}")
    return tuple(
        (arg.arg, ... if default is None else ast.literal_eval(default))
        for arg, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
    )


def _load(path: Path) -> ModuleType:
    # The digest in the name keeps two users' parts of one name, or two versions of one file, apart.
    digest = hashlib.blake2b(str(path).encode() + path.read_bytes(), digest_size=6).hexdigest()
    name = f"snellen_part_{path.stem}_{digest}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise SnellenError(f"{path} is not a Python file that can be loaded")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


LOSSES = Shelf("losses")
OPTIMIZERS = Shelf("optimizers")
SCHEDULES = Shelf("schedules")
AUGMENTS = Shelf("augments")
MODELS = Shelf("models")
METERS = Shelf("meters")
DECODERS = Shelf("decoders")
DEGRADATIONS = Shelf("degradations")
FILTERS = Shelf("filters")
TASKS = Shelf("tasks")
READERS = Shelf("train/readers")
PICTURES = Shelf("ship/pictures")
ANSWERS = Shelf("ship/answers")
SECTIONS = Shelf("report/sections")
CATALOG_RULES = Shelf("rules/catalog")
RUN_RULES = Shelf("rules/run")
REMEDIES = Shelf("remedies")

SHELVES = (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    AUGMENTS,
    MODELS,
    DECODERS,
    METERS,
    DEGRADATIONS,
    FILTERS,
    TASKS,
    READERS,
    PICTURES,
    ANSWERS,
    SECTIONS,
    CATALOG_RULES,
    RUN_RULES,
    REMEDIES,
)
