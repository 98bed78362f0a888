"""What folder names say: split, class and source of every image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snellen.values import SnellenError

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """What the folders above one file say of it; `source` is empty where no folder stands above the splits."""

    target: str
    split: str = ""
    source: str = ""


def split_name(text: str, *, where: str) -> str:
    """train, val, test or empty for what a user wrote; raises SnellenError for another word."""
    word = text.strip().lower()
    if word and word not in SPLIT_NAMES:
        raise SnellenError(f"{where}: split is {text!r}, expected one of {', '.join(SPLIT_NAMES)} or nothing")
    return SPLIT_NAMES.get(word, "")


def places(files: Sequence[tuple[str, ...]], labels: Mapping[tuple[str, ...], str]) -> dict[tuple[str, ...], Place]:
    """Place of every file that has one. `files`: folder names and file name; `labels`: what a metadata table says.

    Layouts: split/class/…, source/split/class/…, class/…, or source/class/… (only where the labels name that level).
    The class is always a folder's name: a table beside the images may be a copy from before they were moved.
    """
    level = _split_level(files)
    if level is not None:
        return {
            file: Place(file[level + 1], SPLIT_NAMES[file[level].lower()], file[0] if level else "")
            for file in files
            if len(file) > level + 2 and file[level].lower() in SPLIT_NAMES
        }
    depth = _class_level(files, labels)
    return {file: Place(file[depth], "", file[0] if depth else "") for file in files if len(file) > depth + 1}


def _split_level(files: Sequence[tuple[str, ...]]) -> int | None:
    """0 or 1 where folders of that level are the splits, else None."""
    # A split folder holds class folders; a folder `train` with images right in it is the class of trains.
    if any(len(file) > 2 and file[0].lower() in SPLIT_NAMES for file in files):
        return 0
    deep = [file for file in files if len(file) > 1]
    if deep and all(len(file) > 3 and file[1].lower() in SPLIT_NAMES for file in deep):
        return 1
    return None


def _class_level(files: Sequence[tuple[str, ...]], labels: Mapping[tuple[str, ...], str]) -> int:
    agree = Counter(
        level for file in files if file in labels for level, name in enumerate(file[:-1]) if name == labels[file]
    )
    return max((0, 1), key=lambda level: agree[level])
