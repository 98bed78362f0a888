"""labelme JSON: one file an image, a list of shapes.

Source: the files of labelme 3 to 5 (github.com/wkentaro/labelme, labelme/label_file.py).
"""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from snellen.data import run_lengths
from snellen.data.formats.names import Claims, Names, split_of
from snellen.data.formats.notes import Notes, plain_text
from snellen.data.formats.outlines import drawn, number, numbers
from snellen.data.formats.placed import Placed, placed_samples
from snellen.data.formats.sample import Reading
from snellen.data.formats.sizes import Size
from snellen.data.formats.text import Unreadable, head, is_utf8, json_of
from snellen.data.formats.tree import Parts, images_of, shown, stem, with_suffix

FORMAT = "labelme JSON"
TASKS = ("detection", "instance")
OWN = (".json",)

_SHAPES = re.compile(rb'"shapes"\s*:\s*\[')
_VERSION = re.compile(r"^[0-5]\.")
_LOOKED = 8
# Corners of the polygon that stands for a circle: its area is 0.6 % below the circle's.
_CORNERS = 32
_MOST = 0.5


def detect(root: Path, files: Sequence[Parts]) -> str | None:
    """ "labelme JSON" where JSON files have a list of shapes."""
    # Such a file is named after its image.
    pictures = {stem(file[-1]) for file in images_of(files)}
    found = [file for file in with_suffix(files, ".json") if stem(file[-1]) in pictures]
    step = max(1, len(found) // _LOOKED)
    return FORMAT if any(_SHAPES.search(head(root.joinpath(*file))) for file in found[::step]) else None


def read_labelme(
    root: Path, name: str, files: Sequence[Parts], *, task: str | None = None, only: Parts | None = None
) -> Reading:
    """All labelme files below `root`. Polygons of one label and group are one object."""
    notes = Notes()
    names = Names(images_of(files))
    listed = [only] if only else with_suffix(files, ".json")
    found = [(file, data) for file in listed if (data := _data(root, file, notes)) is not None]
    direct = ((file[:-1], names.direct(_named(file, data), beside=file[:-1])) for file, data in found)
    claims = Claims.of((folder, place) for folder, place in direct if place is not None)
    placed: dict[Parts, Placed] = {}
    for file, data in found:
        image = _image(file, data, names, claims, notes)
        if image:
            place = placed.setdefault(image, Placed())
            if place.make:
                notes.add("image_twice", shown(file))
            place.stated = (number(data.get("imageWidth")), number(data.get("imageHeight")))
            place.make.append(_Make(file, _grouped(data["shapes"], shown(file), notes), notes))
    samples = placed_samples(root, name, placed, images_of(files), notes)
    objects = [item for sample in samples for item in sample.objects]
    outlined = sum(bool(item["polygons"] or item["rle"]) for item in objects)
    return Reading(
        tasks=("instance", "detection") if outlined and outlined >= _MOST * len(objects) else ("detection",),
        format=FORMAT,
        samples=samples,
        classes=tuple(sorted({item["label"] for item in objects})),
        notes=notes.listed(),
    )


def _data(root: Path, file: Parts, notes: Notes) -> Mapping[str, Any] | None:
    try:
        data = json_of(root.joinpath(*file))
    except Unreadable as why:
        if _SHAPES.search(head(root.joinpath(*file))):
            notes.add("file_corrupt", f"{shown(file)}: {why}")
        return None
    if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
        if isinstance(data, dict) and "imagePath" in data:
            notes.add("file_unknown", f"{shown(file)}: no list 'shapes'")
        return None
    if not _VERSION.match(str(data.get("version", ""))):
        # Read all the same: the shapes have been the same since version 3.
        notes.add("file_unknown", f"{shown(file)}: version {data.get('version')!r}")
    # All files are held at once, without the images that they have inside.
    return {key: value for key, value in data.items() if key != "imageData"}


def _named(file: Parts, data: Mapping[str, Any]) -> str:
    """The image that the file is about, as it says or as it is called itself."""
    return str(data.get("imagePath") or "") or f"{stem(file[-1])}.jpg"


def _image(file: Parts, data: Mapping[str, Any], names: Names, claims: Claims, notes: Notes) -> Parts:
    text = _named(file, data)
    match = names.find(text, beside=file[:-1], split=split_of(file[:-1]), claims=claims)
    if match.how in ("moved", "ambiguous", "outside"):
        notes.add(f"image_{match.how}", f"{shown(file)}: {text}")
    return match.file


def _grouped(shapes: Sequence[Any], file: str, notes: Notes) -> list[tuple[int, list[Mapping[str, Any]]]]:
    """(number of the first shape, shapes of one object): polygons that share a group and a label belong together."""
    found: dict[tuple[str, Any], tuple[int, list[Mapping[str, Any]]]] = {}
    for place, shape in enumerate(shapes, start=1):
        if not isinstance(shape, dict) or not isinstance(shape.get("points"), list):
            notes.add("object_unreadable", f"{file}: shape number {place}")
            continue
        if not is_utf8(str(shape.get("label"))):
            notes.add("name_not_utf8", f"{file}: shape number {place}")
        group = shape.get("group_id")
        together = group is not None and shape.get("shape_type", "polygon") == "polygon"
        key = (str(shape.get("label")), str(group)) if together else ("", place)
        found.setdefault(key, (place, []))[1].append(shape)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Make:
    """Makes the objects of one file."""

    file: Parts
    groups: Sequence[tuple[int, list[Mapping[str, Any]]]]
    notes: Notes

    def __call__(self, size: Size | None) -> list[dict[str, Any]]:
        return [self._object(place, shapes, size) for place, shapes in self.groups]

    def _object(self, place: int, shapes: Sequence[Mapping[str, Any]], size: Size | None) -> dict[str, Any]:
        key = f"{shown(self.file)}:{place}"
        label = plain_text(str(shapes[0].get("label") or ""))
        kind = shapes[0].get("shape_type") or "polygon"
        points = [[numbers(point)[:2] for point in shape["points"]] for shape in shapes]
        flat = [[value for point in line for value in point] for line in points]
        problem = "" if label else "no class"
        if kind == "polygon":
            return drawn(key, label, polygons=flat, size=size, problem=problem)
        if kind == "rectangle" and len(flat[0]) >= 4:
            xs, ys = flat[0][::2], flat[0][1::2]
            return drawn(key, label, box=(min(xs), min(ys), max(xs), max(ys)), size=size, problem=problem)
        if kind == "circle" and len(flat[0]) == 4:
            return drawn(key, label, polygons=[_circle(flat[0])], size=size, problem=problem)
        if kind == "mask" and len(flat[0]) == 4 and size is not None:
            rle, bad = _mask(shapes[0].get("mask"), flat[0], size)
            return drawn(key, label, rle=rle, size=size, problem=problem or bad)
        return drawn(key, label, size=size, problem=problem or f"shape without area ({plain_text(str(kind))})")


def _circle(values: Sequence[float]) -> list[float]:
    """Polygon of a circle given by its centre and a point on it."""
    x, y = values[:2]
    radius = math.hypot(values[2] - x, values[3] - y)
    angles = (2 * math.pi * step / _CORNERS for step in range(_CORNERS))
    return [value for angle in angles for value in (x + radius * math.cos(angle), y + radius * math.sin(angle))]


def _mask(given: Any, corners: Sequence[float], size: Size) -> tuple[str, str]:
    """Run lengths of a PNG in base64 that fills the box between two corners, and what is wrong with it."""
    try:
        with PIL.Image.open(io.BytesIO(base64.b64decode(str(given), validate=True)), formats=("PNG",)) as image:
            small = np.asarray(image.convert("L")) > 0
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return "", "mask that cannot be read"
    if not all(map(math.isfinite, corners)):
        return "", "not a number"
    x, y = round(corners[0]), round(corners[1])
    if x < 0 or y < 0 or x + small.shape[1] > size.width or y + small.shape[0] > size.height:
        return "", "mask of another size"
    whole = np.zeros((size.height, size.width), dtype=bool)
    whole[y : y + small.shape[0], x : x + small.shape[1]] = small
    return run_lengths.encode(whole), ""
