"""YOLO text files: one line an object, "class x y width height" (or a polygon, or a box and keypoints) in shares of the image.

Source: the dataset formats of Ultralytics (docs.ultralytics.com/datasets: detect, segment, pose).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snellen.data.formats.data_yaml import Settings, path_of, read_settings
from snellen.data.formats.names import INSTANCE_WORDS, MASK_WORDS, split_of
from snellen.data.formats.notes import Notes
from snellen.data.formats.outlines import NO_BOX, drawn
from snellen.data.formats.placed import Placed, placed_samples
from snellen.data.formats.sample import Reading
from snellen.data.formats.sizes import Size
from snellen.data.formats.text import Unreadable, decoded, head, lines_of
from snellen.data.formats.tree import Parts, images_of, shown, stem, with_suffix

FORMAT = "YOLO"
TASKS = ("detection", "instance", "keypoints")
OWN = (".txt", ".yaml", ".yml", ".names")

_LINE = re.compile(r"^\d+(\.0*)?(\s+[-+.\deE]+){4,}\s*$")
# Label files that are looked into to see whether text beside images is labels or, say, captions.
_LOOKED = 8
_LINES = 20
# Shares a little above 1 come from rounding.
_MOST_SHARE = 1.001
_IMAGE_FOLDERS = ("images", "imgs", "image")
_NOT_LABELS = frozenset(("classes.txt", "obj.names", "names.txt", "labels.txt", "train.txt", "val.txt", "test.txt"))


def detect(root: Path, files: Sequence[Parts]) -> str | None:
    """ "YOLO" where text files stand to images as labels do, and hold numbers."""
    texts = {file for file in with_suffix(files, ".txt") if file[-1].lower() not in _NOT_LABELS}
    if not texts:
        return None
    found = [label for image in images_of(files) if (label := _label_of(image, texts)) is not None]
    step = max(1, len(found) // _LOOKED)
    lines = [line for file in found[::step] for line in _first_lines(root.joinpath(*file))]
    good = sum(bool(_LINE.match(line)) for line in lines)
    return FORMAT if found and good * 2 >= len(lines) else None


def _first_lines(file: Path) -> list[str]:
    return [line for line in decoded(head(file)).splitlines() if line.strip()][:_LINES]


def read_yolo(
    root: Path, name: str, files: Sequence[Parts], *, task: str | None = None, only: Parts | None = None
) -> Reading:
    """All images of the splits that a data.yaml names, else all that lie where labels are; `only`: which data.yaml."""
    notes = Notes()
    settings = read_settings(root, files, notes, only=only)
    texts = {file for file in with_suffix(files, ".txt") if file[-1].lower() not in _NOT_LABELS}
    images = [
        image for image in images_of(files) if not {word.lower() for word in image[:-1]} & (INSTANCE_WORDS | MASK_WORDS)
    ]
    chosen = _chosen(images, texts, settings, notes)
    rows = {image: _Rows.read(root, image, _label_of(image, texts), notes) for image in chosen}
    _tell_unused(texts, {item.label for item in rows.values()}, notes)
    classes = settings.classes or _seen(rows.values(), notes)
    kinds = _tasks(rows.values(), settings)
    placed = {
        image: Placed(
            split=split or split_of(image[:-1]), make=[_Make(rows[image], classes, settings, kinds[0], notes)]
        )
        for image, split in chosen.items()
    }
    samples = placed_samples(root, name, placed, images_of(files), notes, unlisted=False)
    return Reading(
        tasks=kinds, format=FORMAT, samples=samples, classes=classes, keypoints=settings.keypoints, notes=notes.listed()
    )


def folder_of(file: Path) -> Path:
    """The folder that a data.yaml is about: its `path` where that is there, else its own."""
    path = path_of(file)
    return path if path.is_dir() else file.parent


@dataclass(frozen=True, slots=True)
class _Rows:
    """Lines of one label file: (line number, words)."""

    label: Parts
    lines: Sequence[tuple[int, list[str]]]

    @classmethod
    def read(cls, root: Path, image: Parts, label: Parts | None, notes: Notes) -> _Rows:
        if label is None:
            notes.add("label_missing", shown(image))
            return cls((), ())
        try:
            lines = lines_of(root.joinpath(*label))
        except Unreadable as why:
            notes.add("file_corrupt", f"{shown(label)}: {why}")
            return cls(label, ())
        found = [(number, words) for number, line in enumerate(lines, start=1) if (words := line.split())]
        if not found:
            notes.add("label_empty", shown(label))
        return cls(label, found)


def _label_of(image: Parts, texts: set[Parts] | Mapping[Parts, Any]) -> Parts | None:
    """The label file: the folder `images` that is nearest to the file becomes `labels`, else beside the image."""
    name = f"{stem(image[-1])}.txt"
    for level in range(len(image) - 2, -1, -1):
        if image[level].lower() in _IMAGE_FOLDERS:
            label = (*image[:level], "labels", *image[level + 1 : -1], name)
            if label in texts:
                return label
            break
    beside = (*image[:-1], name)
    mirrored = ("labels", *image[:-1], name)
    return beside if beside in texts else mirrored if mirrored in texts else None


def _tell_unused(texts: set[Parts], used: set[Parts], notes: Notes) -> None:
    """Label files without image: text files in a folder `labels`, or where other label files lie (a README is none)."""
    folders = {label[:-1] for label in used if label}
    for label in sorted(texts - used):
        if "labels" in label[:-1] or label[:-1] in folders:
            notes.add("label_without_image", shown(label))


def _chosen(images: Sequence[Parts], texts: set[Parts], settings: Settings, notes: Notes) -> dict[Parts, str]:
    """Images that are read with their split: those of the named folders, else those where labels are."""
    found = {image: split for image in images if (split := settings.split_of(image)) is not None}
    if not found:
        folders = {image[:-1] for image in images if _label_of(image, texts) is not None}
        found = {image: "" for image in images if image[:-1] in folders}
    left: dict[Parts, int] = {}
    for image in images:
        if image not in found:
            left[image[:-1]] = left.get(image[:-1], 0) + 1
    for folder, count in left.items():
        notes.add("folder_ignored", f"{shown(folder) or '.'}: {count} images")
    return found


def _seen(rows: Any, notes: Notes) -> tuple[str, ...]:
    ids = {number for item in rows for _, words in item.lines if (number := _class_id(words[0])) is not None}
    notes.add("classes_missing", "", 1)
    return tuple(str(number) for number in range(max(ids, default=-1) + 1)) if max(ids, default=0) < 10_000 else ()


def _class_id(word: str) -> int | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return int(value) if value == value and abs(value) < 1e9 and value == int(value) and value >= 0 else None


def _tasks(rows: Any, settings: Settings) -> tuple[str, ...]:
    lengths = [len(words) for item in rows for _, words in item.lines]
    polygons = sum(length >= 7 and length % 2 == 1 for length in lengths)
    if settings.shape:
        return ("keypoints", "detection")
    return ("instance", "detection") if polygons and polygons * 2 >= len(lengths) else ("detection",)


@dataclass(frozen=True, slots=True)
class _Make:
    """Makes the objects of one image: shares of its sides become pixels."""

    rows: _Rows
    classes: Sequence[str]
    settings: Settings
    kind: str
    notes: Notes

    def __call__(self, size: Size | None) -> list[dict[str, Any]]:
        if size is None and self.rows.lines:
            self.notes.add("image_unread", shown(self.rows.label))
        return [self._object(number, words, size) for number, words in self.rows.lines]

    def _object(self, line: int, words: Sequence[str], size: Size | None) -> dict[str, Any]:
        key = f"{shown(self.rows.label)}:{line}"
        label, problem = self._label(key, words[0])
        values = [_value(word) for word in words[1:]]
        shape = self._shape(values)
        if shape is None:
            self.notes.add("line_corrupt", f"{key}: {len(words)} numbers")
            return drawn(key, label, box=NO_BOX, problem=f"line of {len(words)} numbers")
        if len(values) == 5 and shape == "box":
            self.notes.add("line_confidence", key)
        if any(value != value for value in values):
            self.notes.add("line_corrupt", f"{key}: not a number")
        places = values[4:] if shape == "points" else values
        problem = problem or self._range(key, values[:4] if shape != "line" else places)
        if size is None:
            return drawn(key, label, box=NO_BOX, problem=problem or "image cannot be opened")
        return self._drawn(key, label, shape, values, size, problem)

    def _label(self, key: str, word: str) -> tuple[str, str]:
        number = _class_id(word)
        if number is not None and number < len(self.classes):
            return self.classes[number], ""
        self.notes.add("class_unknown", f"{key}: class {word}")
        return (str(number) if number is not None else word), "unknown class"

    def _shape(self, values: Sequence[float]) -> str | None:
        """What the line draws; None for a number of values that nothing has."""
        count = len(values)
        if self.settings.shape:
            points, each = self.settings.shape
            return "points" if count == 4 + points * each else "box" if count == 4 else None
        if count in (4, 5):
            return "box"
        return "line" if count >= 6 and count % 2 == 0 else None

    def _range(self, key: str, shares: Sequence[float]) -> str:
        if any(value < 0 for value in shares):
            self.notes.add("line_corrupt", f"{key}: a share below 0")
            return "share below 0"
        if any(value > _MOST_SHARE for value in shares):
            self.notes.add("line_corrupt", f"{key}: a share above 1")
            return "share above 1"
        return ""

    def _drawn(
        self, key: str, label: str, shape: str, values: Sequence[float], size: Size, problem: str
    ) -> dict[str, Any]:
        sides = (size.width, size.height)
        if shape == "line":
            line = [value * sides[place % 2] for place, value in enumerate(values)]
            return drawn(key, label, polygons=[line], size=size, problem=problem)
        x, y, wide, high = (value * sides[place % 2] for place, value in enumerate(values[:4]))
        box = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
        dots = self._dots(values[4:], sides) if shape == "points" else ()
        return drawn(key, label, box=box, keypoints=dots, size=size, problem=problem)

    def _dots(self, values: Sequence[float], sides: tuple[int, int]) -> list[float]:
        """x, y, visibility in pixels; where no visibility is given, a point at 0, 0 is one that was not labelled."""
        assert self.settings.shape
        each = self.settings.shape[1]
        dots: list[float] = []
        for start in range(0, len(values), each):
            x, y = values[start : start + 2]
            dots += [x * sides[0], y * sides[1], values[start + 2] if each == 3 else 2.0 * bool(x or y)]
        return dots


def _value(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")
