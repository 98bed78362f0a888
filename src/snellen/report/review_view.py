"""What the review page is told of one item, as plain JSON: image, label, objects, mask, the question, what was said before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from snellen.report.review_desk import Desk, Record
from snellen.report.review_items import RANDOM, Item
from snellen.report.review_pixels import (
    Colour,
    Unseen,
    mask_values,
    painted,
    palette,
    run_lengths,
    size_of,
)
from snellen.report.words import visible

# More outlines than this on one image hide it, and each other.
MOST_OBJECTS = 2000
# A class id that the list of classes does not have.
UNKNOWN: Colour = (255, 0, 170)
View = dict[str, Any]
Box = tuple[float, ...]


def overview(desk: Desk) -> View:
    """What the page is told once: parts, answers so far, classes with their colours, the task."""
    return {
        "task": desk.catalog.task,
        "relabel": desk.catalog.task in ("classification", "multilabel"),
        "answers": desk.answers(),
        "estimate": desk.estimate(),
        "keypoints": _points(desk),
        "classes": classes(desk),
        "parts": [
            {
                "name": part.name,
                "severity": part.severity,
                "level": desk.words.label("severity", part.severity) if part.severity else "",
                "title": visible(part.title),
                "message": visible(part.message),
                "start": part.start,
                "count": part.count,
            }
            for part in desk.asked.parts
        ],
    }


def classes(desk: Desk) -> list[View]:
    """Names and colours of all classes, also of those that were made up in this review."""
    names = list(desk.classes)
    return [{"name": visible(n), "colour": _css(c)} for n, c in zip(names, palette(len(names)), strict=True)]


def view(desk: Desk, n: int) -> View:
    """What the page is told of item `n`; raises IndexError for another."""
    if not 0 <= n < len(desk.asked.items):
        raise IndexError(n)
    item = desk.asked.items[n]
    row = desk.row(item.sample)
    objects = row.get("objects") or []
    focus = place_of(item, objects)
    labels = [str(name) for name in row.get("labels") or ([row["target"]] if row["target"] else [])]
    return {
        "n": n,
        "part": item.part,
        "sample": item.sample,
        "path": visible(row["path"]),
        "split": row["split"],
        "what": visible(item.what),
        "labels": [_named(desk, name) for name in labels],
        "image": _image(desk, item.sample, "path"),
        "pair": _image(desk, item.sample, "pair") if row.get("pair") else None,
        "mask": _mask(desk, item.sample) if "mask" in row else None,
        "objects": _objects(desk, objects, focus),
        "total": len(objects),
        "runs": any(obj["rle"] for obj in objects),
        "focus": focus,
        "suggestion": _suggestion(desk, item, row, focus),
        "answer": _said(desk, desk.answered(item)),
        "before": _said(desk, desk.before(item)),
        "aside": [_said(desk, record) for record in desk.said_of_objects(item) if record["answer"] != "skip"],
    }


def place_of(item: Item, objects: Sequence[Mapping[str, Any]]) -> int | None:
    """Position of the object in question in the sample's list; None for the sample as a whole, negative for an object that
    the annotations lack."""
    if item.key is None:
        return None
    found = [place for place, obj in enumerate(objects) if obj["key"] == item.key]
    return found[min(item.nth, len(found) - 1)] if found else -1 - item.nth


def suggested(desk: Desk, item: Item, row: Mapping[str, Any], focus: int | None) -> tuple[Box | None, list[str]]:
    """Box and labels that `accept` would set, so far as a rule says them (None, empty: as it is)."""
    if focus is None:
        return None, _better_labels(desk, item, row)
    objects = row.get("objects") or []
    if focus < 0:
        label = item.label or (desk.classes[0] if len(desk.classes) == 1 else "")
        return item.box, [label] if label else []
    # An outline says more than a box could, which would no longer fit it.
    outlined = objects[focus]["polygons"] or objects[focus]["rle"]
    changed = item.label and item.label != objects[focus]["label"]
    return None if outlined else item.box, [item.label] if changed else []


def _better_labels(desk: Desk, item: Item, row: Mapping[str, Any]) -> list[str]:
    if desk.catalog.task == "multilabel":
        known = list(row.get("labels") or ())
        lacking = [label for label in item.adds if label not in known]
        return [*known, *lacking] if lacking else []
    # The models' suggestion answers a doubt about the label, not one about the image.
    if desk.catalog.task == "classification" and "label" in desk.asked.parts[item.part].name:
        label = item.label or str(row.get("suggested") or "")
        return [label] if label and label != row["target"] else []
    return []


def acceptable(focus: int | None, box: Box | None, labels: Sequence[str]) -> bool:
    """Whether a suggestion can be taken as it is: an object that is missing needs a box and a label."""
    return bool(box and labels) if focus is not None and focus < 0 else bool(box or labels)


def _suggestion(desk: Desk, item: Item, row: Mapping[str, Any], focus: int | None) -> View | None:
    box, labels = suggested(desk, item, row, focus)
    if not box and not labels:
        return None
    several = focus is None and desk.catalog.task == "multilabel"
    adds = [label for label in labels if label not in (row.get("labels") or ())] if several else []
    return {
        "box": list(box) if box else None,
        "label": _named(desk, labels[0]) if labels and not adds else None,
        "adds": [_named(desk, label) for label in adds],
        "whole": acceptable(focus, box, labels),
    }


def _objects(desk: Desk, objects: Sequence[Mapping[str, Any]], focus: int | None) -> list[View]:
    order = list(range(len(objects)))[:MOST_OBJECTS]
    if focus is not None and focus >= MOST_OBJECTS:
        order.append(focus)
    return [
        {
            "place": place,
            "key": visible(objects[place]["key"]),
            "label": _named(desk, objects[place]["label"]),
            "box": _finite(objects[place]["box"]),
            "polygons": [line for line in objects[place]["polygons"] or [] if _finite(line)],
            "keypoints": [value if _number(value) else None for value in objects[place]["keypoints"] or []],
            "crowd": bool(objects[place]["crowd"]),
            "problem": visible(objects[place]["problem"] or ""),
        }
        for place in order
    ]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _finite(values: Any) -> list[float] | None:
    return list(values) if values is not None and all(map(_number, values)) else None


def _points(desk: Desk) -> list[View]:
    names = desk.catalog.about("keypoints") or []
    names = names if isinstance(names, list) else []
    return [{"name": visible(str(n)), "colour": _css(c)} for n, c in zip(names, palette(len(names)), strict=True)]


def _named(desk: Desk, name: str) -> View:
    return {"class": desk.number(name), "name": visible(name)}


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _image(desk: Desk, sample: str, column: str) -> View:
    path = desk.file(sample, column)
    try:
        if path is None:
            raise Unseen("gone")
        width, height = size_of(path)
    except Unseen as reason:
        return {"width": 0, "height": 0, "problem": desk.words.label("states", str(reason))}
    return {"width": width, "height": height, "problem": ""}


@lru_cache(maxsize=4)
def _values(path: Path) -> np.ndarray:
    return mask_values(path)


def _mask(desk: Desk, sample: str) -> View:
    """The classes that a mask holds, with their share of it; what stands in its place where it cannot be shown."""
    path = desk.file(sample, "mask")
    try:
        if path is None:
            raise Unseen("gone")
        values = _values(path)
    except Unseen as reason:
        return {"problem": desk.words.label("states", str(reason)), "classes": [], "width": 0, "height": 0}
    numbers, counts = np.unique(values, return_counts=True)
    names, colours = _classes(desk), mask_colours(desk, values)
    held = [
        {
            "name": visible(names.get(number, "")),
            "id": number,
            "colour": _css(colours[number]) if number in colours else None,
            "share": count / values.size,
        }
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
    ]
    return {"problem": "", "classes": held[:40], "width": values.shape[1], "height": values.shape[0]}


def mask_colours(desk: Desk, values: np.ndarray) -> dict[int, Colour]:
    """A colour for every id of a mask that is there; the background stays clear, unknown ids glare."""
    names = _classes(desk)
    wanted = dict(zip(names, palette(len(names)), strict=True))
    clear = {number for number, name in names.items() if name.casefold() in ("background", "_background_")}
    clear = clear or ({0} if 0 in names else set())
    return {number: wanted.get(number, UNKNOWN) for number in np.unique(values).tolist() if number not in clear}


def _classes(desk: Desk) -> dict[int, str]:
    known = desk.catalog.about("classes")
    if not isinstance(known, dict):
        return {0: "background", **dict(enumerate(map(str, known or []), start=1))}
    return {int(number): str(name) for number, name in known.items()}


def mask_picture(desk: Desk, sample: str, *, side: int) -> bytes:
    """The mask of a sample in its colours, as PNG; raises Unseen."""
    path = desk.file(sample, "mask")
    if path is None:
        raise Unseen("gone")
    values = _values(path)
    return painted(values, mask_colours(desk, values), side=side)


def runs_picture(desk: Desk, sample: str, *, side: int) -> bytes:
    """The objects of a sample that are given as run lengths, in the colours of their classes, as PNG; raises Unseen."""
    colours = palette(len(desk.classes))
    canvas: np.ndarray | None = None
    for obj in desk.row(sample).get("objects") or []:
        flags = run_lengths(obj["rle"] or "")
        if flags is None:
            continue
        canvas = np.zeros(flags.shape, dtype=np.int64) if canvas is None else canvas
        if canvas.shape == flags.shape:
            number = desk.number(obj["label"])
            canvas[flags] = 1 + (len(colours) if number is None else number)
    if canvas is None:
        raise Unseen("unreadable")
    return painted(canvas, dict(enumerate([*colours, UNKNOWN], start=1)), side=side)


def _said(desk: Desk, record: Record | None) -> View | None:
    if record is None:
        return None
    part = str(record.get("part", ""))
    return {
        "answer": str(record["answer"]),
        "labels": [_named(desk, name) for name in record.get("labels", ())],
        "place": (record.get("object") or {}).get("place"),
        "title": "" if part == RANDOM else visible(desk.words.label("rules", part)),
    }
