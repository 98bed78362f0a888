"""Drawn: what a finding says of objects and masks, shown on a cut-out of the image."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, UnidentifiedImageError

from snellen.catalog import Catalog
from snellen.report.review_pixels import Unseen, mask_values, palette, run_lengths, size_of
from snellen.report.thumbnails import OPENED, small
from snellen.report.words import visible
from snellen.values import Finding, thaw

# The sides of a cut-out, and of the image that it is cut from at most, in pixels.
SIDE, LOADED = 288, 1024
# How much of what is around an object is in its cut-out, and how much of the image's shorter side at least.
AROUND, LEAST = 1.0, 0.2
# How far beyond the image a cut-out reaches, and what is left beside a box there, in sides of the image.
BEYOND, MARGIN = 0.3, 0.03
# More outlines than this of other objects hide the one in question.
OTHERS = 60
GIVEN, SUGGESTED, OTHER = (255, 122, 24), (0, 178, 255), (225, 228, 233)
DASH = 7
Box = tuple[float, float, float, float]
View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a cut-out lies: its corner in pixels of the image, and pixels of the cut-out for each of them."""

    x: float
    y: float
    zoom: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A place of the image on the cut-out."""
        return (x - self.x) * self.zoom, (y - self.y) * self.zoom

    def line(self, xy: Sequence[float]) -> list[tuple[float, float]]:
        """A line x, y, x, y, … of the image on the cut-out."""
        return [self.at(xy[i], xy[i + 1]) for i in range(0, len(xy) - 1, 2)]


def drawings(catalog: Catalog, rows: Mapping[str, int], finding: Finding, *, most: int) -> list[View]:
    """Cut-outs of the first `most` objects that the finding's evidence names, as `src` (a data: URI), `path`, `what`,
    whether there are `lines` of annotated objects, and whether another box is `suggested`; empty where it names none, or
    none can be shown. `rows`: sample id -> row of the catalog."""
    listed = thaw(finding.evidence).get("objects")
    found: list[View] = []
    for entry in listed if isinstance(listed, list) else ():
        if len(found) < most and isinstance(entry, dict) and str(entry.get("sample")) in rows:
            names = [n for n in ("root", "path", "verdict", "objects", "mask") if catalog.has(n)]
            row = catalog.table.slice(rows[str(entry["sample"])], 1).select(names).to_pylist()[0]
            src = _shown(row, entry) if row["verdict"] in OPENED else None
            if src is not None:
                lines = bool(row.get("objects"))
                lines = bool(row.get("objects"))
                suggested = _box(entry.get("box")) is not None and not row.get("mask")
                what = visible(str(entry.get("what", "")))
                found.append({"src": src, "path": row["path"], "what": what, "lines": lines, "suggested": suggested})
    return found


def _shown(row: Mapping[str, Any], entry: Mapping[str, Any]) -> str | None:
    """None where the file cannot be shown: the audit has judged it, here it only cannot be drawn."""
    path = Path(row["root"]) / row["path"]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            width, height = size_of(path)
            image = small(path, LOADED)
            tile = _tile(image, (width, height), row, entry)
    except (Unseen, UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    sink = io.BytesIO()
    tile.save(sink, "JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(sink.getvalue()).decode("ascii")


def _tile(image: Image.Image, size: tuple[int, int], row: Mapping[str, Any], entry: Mapping[str, Any]) -> Image.Image:
    objects = row.get("objects") or []
    chosen = [item for item in objects if str(item["key"]) == str(entry.get("key"))][:1]
    suggested = _box(entry.get("box"))
    frame, side = _frame([box for box in (*map(_extent, chosen), suggested) if box], size)
    scale = image.width / size[0]
    place = (frame.x, frame.y, frame.x + side[0], frame.y + side[1])
    cut = image.transform(
        (max(1, round(side[0] * frame.zoom)), max(1, round(side[1] * frame.zoom))),
        Image.Transform.EXTENT, tuple(edge * scale for edge in place), Image.Resampling.BICUBIC,
    )  # fmt: skip
    if row.get("mask"):
        cut = _masked(cut, Path(row["root"]) / row["mask"], frame, size)
    pen = ImageDraw.Draw(cut)
    for item in [item for item in objects if not any(item is one for one in chosen)][:OTHERS]:
        _object(pen, frame, item, OTHER, 1)
    for item in chosen:
        _object(pen, frame, item, GIVEN, 3)
    if suggested:
        _box_drawn(pen, frame, suggested, GIVEN if row.get("mask") else SUGGESTED, dashed=not row.get("mask"))
    return cut


def _frame(boxes: Sequence[Box], size: tuple[int, int]) -> tuple[Frame, tuple[float, float]]:
    """The cut-out around these boxes (the whole image where there are none), and its width and height in the image."""
    if not boxes:
        return Frame(0, 0, SIDE / max(size)), (float(size[0]), float(size[1]))
    # What lies outside is shown as lying outside, but not from far away.
    whole = np.asarray(size, dtype=np.float64)
    edges = np.clip(np.asarray(boxes, dtype=np.float64).reshape(-1, 2), -BEYOND * whole, (1 + BEYOND) * whole)
    low, high = edges.min(axis=0), edges.max(axis=0)
    first, last = np.where(low < 0, low - MARGIN * whole, 0), np.where(high > whole, high + MARGIN * whole, whole)
    wanted = max(float((high - low).max()) * (1 + AROUND), LEAST * min(size))
    side = np.minimum(wanted, last - first)
    corner = np.clip((low + high) / 2 - side / 2, first, last - side)
    return Frame(float(corner[0]), float(corner[1]), SIDE / float(side.max())), (float(side[0]), float(side[1]))


def _object(
    pen: ImageDraw.ImageDraw, frame: Frame, item: Mapping[str, Any], colour: tuple[int, ...], wide: int
) -> None:
    box = _box(item.get("box"))
    for line in item.get("polygons") or []:
        if len(line) >= 4 and np.isfinite(line).all():
            places = frame.line(line)
            pen.line([*places, places[0]], fill=colour, width=wide)
    if box and not item.get("polygons"):
        _box_drawn(pen, frame, box, colour, wide=wide)
    points = np.asarray(item.get("keypoints") or [], dtype=np.float64).reshape(-1, 3)
    for x, y, seen in points.tolist():
        if seen > 0 and np.isfinite((x, y)).all():
            (across, down), reach = frame.at(x, y), 2 + wide
            pen.ellipse((across - reach, down - reach, across + reach, down + reach), fill=colour, outline="white")


def _box_drawn(
    pen: ImageDraw.ImageDraw, frame: Frame, box: Box, colour: tuple[int, ...], *, wide: int = 3, dashed: bool = False
) -> None:
    (left, top), (right, bottom) = frame.at(*box[:2]), frame.at(*box[2:])
    left, right = sorted((left, right))
    top, bottom = sorted((top, bottom))
    if not dashed:
        pen.rectangle((left, top, max(right, left + 1), max(bottom, top + 1)), outline=colour, width=wide)
        return
    for start, end in (((left, top), (right, top)), ((left, bottom), (right, bottom)),
                       ((left, top), (left, bottom)), ((right, top), (right, bottom))):  # fmt: skip
        for step in np.arange(0, float(np.hypot(end[0] - start[0], end[1] - start[1])), 2 * DASH).tolist():
            pen.line((*_along(start, end, step), *_along(start, end, step + DASH)), fill=colour, width=wide)


def _along(start: tuple[float, float], end: tuple[float, float], step: float) -> tuple[float, float]:
    share = min(1.0, step / max(1e-9, float(np.hypot(end[0] - start[0], end[1] - start[1]))))
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _masked(cut: Image.Image, path: Path, frame: Frame, size: tuple[int, int]) -> Image.Image:
    """The cut-out with the outlines of the mask's regions; as it was where the mask cannot be shown."""
    try:
        values = mask_values(path)
    except Unseen:
        return cut
    rows = ((np.arange(cut.height) + 0.5) / frame.zoom + frame.y) * values.shape[0] / size[1]
    columns = ((np.arange(cut.width) + 0.5) / frame.zoom + frame.x) * values.shape[1] / size[0]
    seen = values[
        np.clip(rows.astype(int), 0, values.shape[0] - 1)[:, None],
        np.clip(columns.astype(int), 0, values.shape[1] - 1),
    ]
    numbers, inside = np.unique(seen, return_inverse=True)
    colours = np.asarray(palette(len(numbers)), dtype=np.float32)[inside.reshape(seen.shape)]
    # What is not labelled stays clear, like the background; outlines are drawn whole.
    edge = np.zeros(seen.shape, dtype=bool)
    edge[:, 1:] |= seen[:, 1:] != seen[:, :-1]
    edge[1:] |= seen[1:] != seen[:-1]
    share = np.where(edge, 1.0, np.where(np.isin(seen, (0, 255)), 0.0, 0.3))[:, :, None]
    return Image.fromarray((np.asarray(cut) * (1 - share) + colours * share).astype(np.uint8))


def _extent(item: Mapping[str, Any]) -> Box | None:
    """The box of an object, or of its outline, its run lengths or its points."""
    given = _box(item.get("box"))
    if given:
        return given
    flat = [value for line in item.get("polygons") or [] for value in line]
    if not flat:
        points = np.asarray(item.get("keypoints") or [], dtype=np.float64).reshape(-1, 3)
        flat = points[points[:, 2] > 0, :2].reshape(-1).tolist()
    if not flat and item.get("rle"):
        flags = run_lengths(item["rle"])
        where = np.argwhere(flags) if flags is not None else np.zeros((0, 2))
        flat = where[:, ::-1].reshape(-1).tolist()
    places = np.asarray(flat[: len(flat) // 2 * 2], dtype=np.float64).reshape(-1, 2)
    places = places[np.isfinite(places).all(axis=1)]
    return (*places.min(axis=0).tolist(), *places.max(axis=0).tolist()) if len(places) else None


def _box(given: Any) -> Box | None:
    if not isinstance(given, list | tuple) or len(given) != 4:
        return None
    if not all(isinstance(value, int | float) for value in given) or not np.isfinite(given).all():
        return None
    left, top, right, bottom = map(float, given)
    return left, top, right, bottom
