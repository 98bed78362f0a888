"""data.yaml: what a YOLO dataset says of its classes, splits and keypoints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from snellen.data.formats.names import Names
from snellen.data.formats.notes import Notes, plain_text
from snellen.data.formats.text import Unreadable, content, decoded, head, is_utf8, lines_of
from snellen.data.formats.tree import Parts, images_of, shown, stem, with_suffix

# Key in the file and split that it means.
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_CLASS_LISTS = ("classes.txt", "obj.names", "names.txt")


@dataclass(frozen=True, slots=True)
class Settings:
    """`folders` and `listed`: split by folder of images and by image; `shape`: keypoints and numbers for each (2 or 3)."""

    classes: tuple[str, ...] = ()
    folders: Mapping[Parts, str] = field(default_factory=dict)
    listed: Mapping[Parts, str] = field(default_factory=dict)
    shape: tuple[int, int] | None = None
    keypoints: tuple[str, ...] = ()

    def split_of(self, image: Parts) -> str | None:
        """Split of an image; None where no split has it."""
        if image in self.listed:
            return self.listed[image]
        for level in range(len(image) - 1, -1, -1):
            if image[:level] in self.folders:
                return self.folders[image[:level]]
        return None


def find_settings(root: Path, files: Sequence[Parts]) -> Parts | None:
    """The YAML file with class names that lies highest."""
    found = [file for file in with_suffix(files, ".yaml", ".yml") if b"names" in head(root.joinpath(*file))]
    return min(found, key=lambda file: (len(file), "data" not in file[-1], file), default=None)


def read_settings(root: Path, files: Sequence[Parts], notes: Notes, *, only: Parts | None = None) -> Settings:
    """What the data.yaml says, else a list of class names (classes.txt); paths that lead out of `root` are told."""
    file = only or find_settings(root, files)
    data: Any = {}
    if file is not None:
        data = _yaml(root.joinpath(*file), shown(file), notes)
    classes = _classes(data.get("names"), data.get("nc"), shown(file or ()), notes) or _listed_classes(
        root, files, notes
    )
    shape = _shape(data.get("kpt_shape"))
    folders, listed = _splits(root, file or (), data, set(files), notes)
    return Settings(classes, folders, listed, shape, _points(data.get("kpt_names"), shape))


def path_of(file: Path) -> Path:
    """The folder named by `path`, absolute or relative to the file (it need not be there)."""
    given = _yaml(file, file.name, Notes()).get("path")
    return Path(os.path.normpath(file.parent / given)) if isinstance(given, str) else file.parent


def _yaml(file: Path, name: str, notes: Notes) -> dict[str, Any]:
    try:
        text = decoded(content(file))
        if not is_utf8(text):
            notes.add("name_not_utf8", name)
        data = yaml.safe_load(plain_text(text))
    except (Unreadable, yaml.YAMLError) as error:
        notes.add("file_corrupt", f"{name}: {' '.join(str(error).split())}")
        return {}
    return data if isinstance(data, dict) else {}


def _classes(names: Any, count: Any, file: str, notes: Notes) -> tuple[str, ...]:
    if isinstance(names, dict):
        numbered = {int(key): str(name) for key, name in names.items() if str(key).isdecimal() and int(key) < 100_000}
        if len(numbered) < len(names):
            notes.add("classes_corrupt", f"{file}: {next(key for key in names if not str(key).isdecimal())}")
        return tuple(numbered.get(number, str(number)) for number in range(max(numbered, default=-1) + 1))
    if isinstance(names, list):
        return tuple(map(str, names))
    if names is not None:
        notes.add("classes_corrupt", f"{file}: names is no list")
    return tuple(map(str, range(count))) if isinstance(count, int) and 0 < count < 100_000 else ()


def _listed_classes(root: Path, files: Sequence[Parts], notes: Notes) -> tuple[str, ...]:
    found = sorted((file for file in files if file[-1].lower() in _CLASS_LISTS), key=lambda file: (len(file), file))
    for file in found[:1]:
        try:
            names = [line.strip() for line in lines_of(root.joinpath(*file))]
        except Unreadable as why:
            notes.add("classes_corrupt", f"{shown(file)}: {why}")
            return ()
        while names and not names[-1]:
            names.pop()
        for name in names:
            if not is_utf8(name):
                notes.add("name_not_utf8", f"{shown(file)}: class {plain_text(name)}")
        return tuple(map(plain_text, names))
    return ()


def _shape(given: Any) -> tuple[int, int] | None:
    good = isinstance(given, list) and len(given) == 2 and all(isinstance(part, int) for part in given)
    return (given[0], given[1]) if good and given[0] > 0 and given[1] in (2, 3) else None


def _points(names: Any, shape: tuple[int, int] | None) -> tuple[str, ...]:
    """Keypoint names: `kpt_names` (a list, or a list for each class), else their numbers."""
    if shape is None:
        return ()
    listed = next(iter(names.values()), None) if isinstance(names, dict) else names
    if isinstance(listed, list) and len(listed) == shape[0]:
        return tuple(map(str, listed))
    return tuple(map(str, range(shape[0])))


def _splits(
    root: Path, file: Parts, data: Mapping[str, Any], files: set[Parts], notes: Notes
) -> tuple[dict[Parts, str], dict[Parts, str]]:
    folders: dict[Parts, str] = {}
    lists: list[tuple[Parts, str]] = []
    above = {file_[:level] for file_ in files for level in range(len(file_))}
    for key, split in SPLITS.items():
        given = data.get(key)
        for text in given if isinstance(given, list) else [given] if isinstance(given, str) else []:
            place = _inside(root, file[:-1], str(data.get("path") or ""), str(text), above | files)
            if place is None:
                notes.add("image_outside", f"{shown(file)}: {key}: {text}")
            elif place in above and folders.setdefault(place, split) != split:
                notes.add("split_twice", f"{shown(file)}: {key}: {text}")
            elif place in files and stem(place[-1]) != place[-1]:
                lists.append((place, split))
    listed = _listed(root, lists, Settings(folders=folders), files, notes) if lists else {}
    return folders, listed


def _inside(root: Path, folder: Parts, path: str, text: str, known: set[Parts]) -> Parts | None:
    """The place below the root that a split names: relative to `path`, to the YAML file, or to the root. Exporters are
    known to write ../train/images for train/images."""
    text = text.replace("\\", "/")
    tries = (os.path.join(path, text), text, text.lstrip("./"))  # noqa: PTH118
    for start in (root.joinpath(*folder), root):
        for tried in tries:
            whole = os.path.normpath(os.path.join(start, tried))  # noqa: PTH118
            if Path(whole).is_relative_to(root):
                parts = Path(whole).relative_to(root).parts
                if parts in known:
                    return parts
    return None


def _listed(
    root: Path, lists: Sequence[tuple[Parts, str]], settings: Settings, files: set[Parts], notes: Notes
) -> dict[Parts, str]:
    """Split of every image that text files list, one path a line: from the file's folder or the root, else by its end.

    An image that a list names at its very place, or that lies in a folder of `settings`, is not taken by its name alone.
    """
    names = Names(images_of(list(files)))
    found: dict[Parts, str] = {}
    left: list[tuple[Parts, str, str]] = []
    for file, split in lists:
        for text in _lines(root, file, notes):
            place = names.direct(text, beside=file[:-1])
            if place is None:
                left.append((file, split, text))
            else:
                found.setdefault(place, split)
    for file, split, text in left:
        match = names.find(text, beside=file[:-1], split=split)
        how = "missing" if match.how == "outside" else match.how
        if how in ("found", "moved"):
            lies = found.setdefault(match.file, settings.split_of(match.file) or split)
            how = how if lies == split else "missing"
        if how != "found":
            notes.add(f"image_{how}", f"{shown(file)}: {text}")
    return found


def _lines(root: Path, file: Parts, notes: Notes) -> list[str]:
    """What a list names, line by line; absolute paths that lead below the root are taken from there."""
    try:
        lines = lines_of(root.joinpath(*file))
    except Unreadable as why:
        notes.add("file_corrupt", f"{shown(file)}: {why}")
        return []
    found = []
    for line in filter(None, map(str.strip, lines)):
        path = Path(os.path.normpath(line))
        inside = path.is_absolute() and path.is_relative_to(root)
        found.append(path.relative_to(root).as_posix() if inside else line)
    return found
