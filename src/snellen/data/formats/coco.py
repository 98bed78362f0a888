"""COCO JSON: lists of images, annotations and categories; boxes, polygons, run lengths, keypoints.

Source: the COCO data format (cocodataset.org, Data format, sections 1 and 2).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snellen.data import run_lengths
from snellen.data.formats.names import Claims, Names, split_in, split_of
from snellen.data.formats.notes import Notes, plain_text
from snellen.data.formats.outlines import drawn, number, short_lines
from snellen.data.formats.placed import Placed, placed_samples
from snellen.data.formats.sample import Reading
from snellen.data.formats.sizes import Size
from snellen.data.formats.text import Unreadable, head, is_utf8, json_of
from snellen.data.formats.tree import Parts, images_of, shown, stem, with_suffix

FORMAT = "COCO JSON"
TASKS = ("detection", "instance", "keypoints")
OWN = (".json",)

_KEYS = ("images", "annotations", "categories")
# What annotation files, or the folders that they lie in, are named after. Another file can be named as the source itself.
_NAMED = re.compile(r"annotation|instances|keypoints|coco|labels?\b|train|val|test|dataset", re.IGNORECASE)
_LISTS = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
# Of many JSON files (one for each image, of another tool) only the largest are looked into: a COCO file is one of few.
_LOOKED = 64
# Two files describe the same images where one names at least this share of what the other does.
_SAME = 0.5
# Most objects of a catalog for instances have an outline; a few outlines among boxes make none.
_MOST = 0.5


@dataclass(slots=True)
class _Document:
    """One file: `images` id → (file name, size, split it lies in); `objects` image id → its annotations."""

    file: Parts
    split: str
    images: list[Mapping[str, Any]]
    objects: dict[str, list[tuple[int, Mapping[str, Any]]]]
    classes: dict[str, str]
    keypoints: tuple[str, ...]
    places: dict[str, Parts] = field(default_factory=dict)

    @property
    def points(self) -> bool:
        return bool(self.keypoints) and any(item.get("keypoints") for _, item in _all(self.objects))


def detect(root: Path, files: Sequence[Parts]) -> str | None:
    """ "COCO JSON" where a file has its lists."""
    return FORMAT if _candidates(root, files) else None


def read_coco(
    root: Path, name: str, files: Sequence[Parts], *, task: str | None = None, only: Parts | None = None
) -> Reading:
    """All COCO files below `root` as one reading; `only`: one of them alone. Of files that describe the same images (two
    annotators, boxes and keypoints) the one in a folder `annotations`, or the first, is read.

    An image that stands in no file, in a folder where others do, is listed without label; a whole folder of such
    images is left out, with a note.
    """
    notes = Notes()
    names = Names(images_of(files))
    documents = _documents(root, [only] if only else _candidates(root, files), names, notes)
    chosen = _chosen(documents, task, notes)
    keypoints = next((document.keypoints for document in chosen if document.points), ())
    tasks = _tasks(chosen, keypoints)
    placed: dict[Parts, Placed] = {}
    for document in chosen:
        if document.points and document.keypoints != keypoints:
            notes.add("keypoints_differ", shown(document.file))
        _place(document, placed, len(keypoints), notes)
    samples = placed_samples(root, name, placed, images_of(files), notes) if placed else ()
    classes = tuple(dict.fromkeys(label for document in chosen for label in document.classes.values()))
    return Reading(
        tasks=tasks,
        format=FORMAT,
        samples=samples,
        classes=classes or _seen(samples),
        keypoints=keypoints,
        notes=notes.listed(),
    )


def _seen(samples: Sequence[Any]) -> tuple[str, ...]:
    return tuple(sorted({item["label"] for sample in samples for item in sample.objects}))


def _candidates(root: Path, files: Sequence[Parts]) -> list[Parts]:
    """Files with COCO's lists, the main annotation before others."""
    pictures = {(*file[:-1], stem(file[-1])) for file in images_of(files)}
    named = [file for file in with_suffix(files, ".json") if any(_NAMED.search(part) for part in file)]
    listed = [file for file in named if (*file[:-1], stem(file[-1])) not in pictures]
    if len(listed) > _LOOKED:
        listed = sorted(listed, key=lambda file: -_bytes(root.joinpath(*file)))[:_LOOKED]
    found = [file for file in listed if _LISTS.search(head(root.joinpath(*file)))]
    return sorted(found, key=_rank)


def _bytes(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _rank(file: Parts) -> tuple[bool, bool, bool, int, Parts]:
    """What is read first: the folder `annotations`, or the root, or a split; then instances before anything else."""
    main = not file[:-1] or file[-2].lower() in ("annotations", "annotation") or bool(split_of(file[-2:-1]))
    return not main, "instances" not in file[-1], "caption" in file[-1], len(file), file


def _documents(root: Path, files: Sequence[Parts], names: Names, notes: Notes) -> list[_Document]:
    found = []
    for file in files:
        try:
            document = _document(file, json_of(root.joinpath(*file)), notes)
        except Unreadable as why:
            notes.add("file_corrupt", f"{shown(file)}: {why}")
            continue
        if document is not None:
            found.append(document)
    claims = Claims.of(place for document in found for place in _named(document, names))
    for document in found:
        _locate(document, names, claims, notes)
    return found


def _named(document: _Document, names: Names) -> Iterator[tuple[Parts, Parts]]:
    """The document's folder with every file that it names at its very place."""
    folder = document.file[:-1]
    for item in document.images:
        if (place := names.direct(item["file_name"], beside=folder)) is not None:
            yield folder, place


def _document(file: Parts, data: Any, notes: Notes) -> _Document | None:
    lists: dict[str, Any] = {key: data.get(key) if isinstance(data, dict) else None for key in _KEYS}
    missing = [key for key in ("images", "annotations") if not isinstance(lists[key], list)]
    if missing:
        notes.add("file_unknown", f"{shown(file)}: no list {' and no list '.join(map(repr, missing))}")
        return None
    objects: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for place, item in enumerate(lists["annotations"]):
        if isinstance(item, dict) and "image_id" in item:
            objects.setdefault(str(item["image_id"]), []).append((place, item))
        else:
            notes.add("object_unreadable", f"{shown(file)}: annotation number {place + 1}")
    classes, keypoints = _categories(file, lists["categories"], notes)
    split = split_in(stem(file[-1])) or split_of(file[:-1])
    return _Document(file, split, _entries(file, lists["images"], notes), objects, classes, keypoints)


def _entries(file: Parts, images: Sequence[Any], notes: Notes) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for place, item in enumerate(images):
        if isinstance(item, dict) and "id" in item and isinstance(item.get("file_name"), str) and item["file_name"]:
            found.append(item)
        else:
            notes.add("image_unnamed", f"{shown(file)}: image number {place + 1}")
    return found


def _categories(file: Parts, categories: Any, notes: Notes) -> tuple[dict[str, str], tuple[str, ...]]:
    """Names by id, in order of the ids, and the names of the keypoints."""
    listed = [item for item in categories or () if isinstance(item, dict) and "id" in item]
    if not listed:
        notes.add("classes_missing", shown(file))
    classes: dict[str, str] = {}
    for item in sorted(listed, key=lambda item: (number(item["id"]), str(item["id"]))):
        label = str(item.get("name") or item["id"])
        if not is_utf8(label):
            notes.add("name_not_utf8", f"{shown(file)}: class {plain_text(label)}")
        if classes.setdefault(str(item["id"]), plain_text(label)) != plain_text(label):
            notes.add("class_twice", f"{shown(file)}: id {item['id']}")
    points: list[Any] = next((item["keypoints"] for item in listed if isinstance(item.get("keypoints"), list)), [])
    return classes, tuple(plain_text(str(point)) for point in points)


def _locate(document: _Document, names: Names, claims: Claims, notes: Notes) -> None:
    """Find the file of every image id. Ids that several images have are told and kept with the first."""
    for item in document.images:
        text, key = item["file_name"], str(item["id"])
        match = names.find(text, beside=document.file[:-1], split=document.split, claims=claims)
        where = f"{shown(document.file)}: {text}"
        if not match.file:
            notes.add("image_unnamed" if match.how == "missing" else f"image_{match.how}", where)
            continue
        if match.how == "moved":
            notes.add("image_moved", where)
        document.places.setdefault(key, match.file)


def _chosen(documents: Sequence[_Document], task: str | None, notes: Notes) -> list[_Document]:
    """The documents that are read: none of them describes what one before it does."""
    if task == "keypoints":
        documents = sorted(documents, key=lambda document: not document.points)
    taken: set[Parts] = set()
    chosen: list[_Document] = []
    for document in documents:
        mine = set(document.places.values())
        if mine and len(mine & taken) >= _SAME * len(mine):
            notes.add("file_ignored", shown(document.file))
            continue
        taken |= mine
        chosen.append(document)
    return chosen


def _tasks(documents: Sequence[_Document], keypoints: Sequence[str]) -> tuple[str, ...]:
    outlined = Counter(bool(item.get("segmentation")) for document in documents for _, item in _all(document.objects))
    mostly = outlined[True] and outlined[True] >= _MOST * outlined.total()
    return (*(["keypoints"] if keypoints else []), *(["instance"] if mostly else []), "detection")


def _all(objects: Mapping[str, list[tuple[int, Mapping[str, Any]]]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return (item for items in objects.values() for item in items)


def _place(document: _Document, placed: dict[Parts, Placed], points: int, notes: Notes) -> None:
    """Add the document's images, each with what makes its objects once the image's size is known."""
    called: dict[str, list[str]] = {}
    for item in document.images:
        called.setdefault(str(item["id"]), []).append(item["file_name"])
    for item in {str(item["id"]): item for item in reversed(document.images)}.values():
        key = str(item["id"])
        file = document.places.get(key)
        unsure = len(set(called[key])) > 1
        if len(called[key]) > 1:
            notes.add("image_id_twice" if unsure else "image_twice", f"{shown(document.file)}: id {key}")
        items = document.objects.pop(key, [])
        if file is None:
            _without(document, key, items, notes)
            continue
        place = placed.setdefault(file, Placed(split=document.split))
        if place.make:
            notes.add("image_twice", f"{shown(document.file)}: {shown(file)}")
        place.stated = (number(item.get("width")), number(item.get("height")))
        place.make.append(_Make(document, items, unsure, points, notes))
    for key, items in document.objects.items():
        _without(document, key, items, notes)


def _without(document: _Document, key: str, items: Sequence[Any], notes: Notes) -> None:
    """Objects of an image that is not listed, or that lies nowhere in the folder."""
    if items:
        notes.add("object_without_image", f"{shown(document.file)}: image id {key}", len(items))


@dataclass(frozen=True, slots=True)
class _Make:
    """Makes the objects of one image of one document."""

    document: _Document
    items: Sequence[tuple[int, Mapping[str, Any]]]
    unsure: bool
    points: int
    notes: Notes

    def __call__(self, size: Size | None) -> list[dict[str, Any]]:
        return [self._object(place, item, size) for place, item in self.items]

    def _object(self, place: int, item: Mapping[str, Any], size: Size | None) -> dict[str, Any]:
        document, category = self.document, str(item.get("category_id"))
        key = str(item["id"]) if "id" in item else f"{shown(document.file)}:{place + 1}"
        problem = "image id of several images" if self.unsure else ""
        if document.classes and category not in document.classes:
            self.notes.add("class_unknown", f"{shown(document.file)}: annotation {key}, class {category}")
            problem = problem or "unknown class"
        polygons, rle, bad = _outline(item.get("segmentation"))
        made = drawn(
            plain_text(key),
            document.classes.get(category, plain_text(category)),
            box=_box(item.get("bbox")),
            polygons=polygons,
            rle=rle,
            keypoints=item.get("keypoints") or (),
            names=self.points,
            crowd=bool(item.get("iscrowd")),
            size=size,
            problem=problem or bad,
        )
        if not made["problem"] and short_lines(made["polygons"]):
            self.notes.add("outline_short", f"{shown(document.file)}: annotation {key}")
        return made


def _box(given: Any) -> Sequence[Any] | None:
    """x, y, width, height as two corners; a box of another length as it is."""
    if not isinstance(given, list) or not given:
        return None
    if len(given) != 4:
        return given
    x, y, width, height = map(number, given)
    return x, y, x + width, y + height


def _outline(given: Any) -> tuple[Sequence[Any], str, str]:
    """Polygons, run lengths ("height width counts") and what is wrong with their form."""
    if not given:
        return (), "", ""
    if isinstance(given, list):
        # One flat list of numbers is a polygon that lacks its outer list.
        return (given if all(isinstance(line, list) for line in given) else [given]), "", ""
    size, counts = (given.get("size"), given.get("counts")) if isinstance(given, dict) else (None, None)
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size)):
        return (), "", "outline of no known form"
    if isinstance(counts, list) and all(isinstance(count, int) and 0 <= count < 2**31 for count in counts):
        import numpy as np

        counts = run_lengths.text_of(np.asarray(counts, dtype=np.int64))
    if not isinstance(counts, str) or not counts.isascii():
        return (), "", "run lengths that cannot be read"
    return (), f"{size[0]} {size[1]} {counts}", ""
