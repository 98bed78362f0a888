"""From what was seen and what is drawn to the columns of a catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor
from torchvision.ops import nms

from snellen.annotations import per_object
from snellen.catalog import Catalog
from snellen.data.boxes import ALONE, areas, intersections, overlaps, pair, row_overlaps
from snellen.train.box_steps import follow
from snellen.train.detector import Opinion
from snellen.train.drawn import Drawn

PROPOSALS = pa.list_(pa.struct([("box", pa.list_(pa.float64(), 4)), ("label", pa.string()), ("score", pa.float64())]))
NUMBERS = ("score", "foreground", "own", "rival", "match", "match_score", "frame_match")
BOXES = ("better", "frame")
# Two seen boxes that overlap more are one object.
SAME = 0.45
# A seen box that overlaps a drawn one more is about that object, and so is one that lies so much within it.
TOUCH, WITHIN = 0.4, 0.7
# Below this nothing is proposed at all.
LEAST = 0.3


@dataclass(frozen=True, slots=True)
class View:
    """Of one image: boxes that are seen [d, 4], best first, the opinion on them, and that on the drawn boxes."""

    seen: Tensor
    opinion: Opinion
    drawn: Opinion

    @classmethod
    def sorted_out(cls, seen: Tensor, step: Tensor, opinion: Opinion, drawn: Opinion, size: int) -> View:
        """Move the boxes half of the way that a second look asks for, and leave one for each object."""
        if not len(seen):
            return cls(seen, opinion, drawn)
        there = follow(seen, step / 2, size)
        kept = nms(there, opinion.score, SAME)
        return cls(there[kept], opinion.take(kept), drawn)


def columns(catalog: Catalog, drawn: Drawn, views: Sequence[View]) -> dict[str, Any]:
    """All columns of `measure_objects`; without views there is nothing in them."""
    total = len(drawn.codes)
    numbers = {name: np.full(total, np.nan) for name in NUMBERS}
    boxes: dict[str, list[list[float] | None]] = {name: [None] * total for name in BOXES}
    suggested = np.full(total, "", dtype=object)
    proposals: list[list[dict[str, Any]]] = [[] for _ in range(len(catalog))]
    for image, view in enumerate(views):
        told = _compared(drawn, image, view)
        places = drawn.members[image]
        for name in NUMBERS:
            numbers[name][places] = told[name]
        suggested[places] = told["suggested"]
        for name in BOXES:
            for place, box in zip(places.tolist(), told[name], strict=True):
                boxes[name][place] = box
        proposals[drawn.rows[image]] = told["proposals"]
    return {
        **{f"object_{name}": per_object(catalog, values) for name, values in numbers.items()},
        "object_suggested": per_object(catalog, np.asarray(suggested, dtype=object)),
        **{f"object_{name}": per_object(catalog, pa.array(boxes[name], type=pa.list_(pa.float64()))) for name in BOXES},
        "proposals": pa.array(proposals, type=PROPOSALS),
    }


def _compared(drawn: Drawn, image: int, view: View) -> Mapping[str, Any]:
    boxes, seen = drawn.boxes[drawn.members[image]], view.seen.numpy().astype(np.float64)
    score = view.opinion.score.numpy().astype(np.float64)
    match = pair(boxes, seen, score, view.drawn.score.numpy())
    found = match != ALONE
    overlap = overlaps(boxes, seen)
    rows = np.flatnonzero(found)
    values = {name: np.zeros(len(boxes)) for name in ("match", "match_score")}
    values["match"][rows] = np.maximum(overlap[rows, match[rows]], 1e-3)
    values["match_score"][rows] = score[match[rows]]
    better = [(seen[match[row]] / drawn.scale[image]).tolist() if found[row] else None for row in range(len(boxes))]
    names = np.asarray(drawn.names, dtype=object)
    frame = follow(drawn.on(image), view.drawn.step, drawn.size).numpy().astype(np.float64)
    return {
        **values, "frame": (frame / drawn.scale[image]).tolist(), "frame_match": row_overlaps(boxes, frame), **_classes(view.drawn, drawn.codes[drawn.members[image]], names),
        "score": view.drawn.score.numpy(), "foreground": 1 - view.drawn.probabilities[:, 0].numpy(),
        "better": better, "proposals": _proposed(drawn, image, view, set(match[found].tolist()), names),
    }  # fmt: skip


def _classes(opinion: Opinion, codes: np.ndarray, names: np.ndarray) -> dict[str, np.ndarray]:
    """Probability of the own class and of the best other one, and the name of that."""
    given = opinion.probabilities[:, 1:].numpy().astype(np.float64)
    given = given / np.maximum(given.sum(axis=1, keepdims=True), 1e-9)
    rows = np.arange(len(codes))
    own = given[rows, codes]
    others = given.copy()
    others[rows, codes] = -1.0
    best = others.argmax(axis=1) if len(rows) else np.zeros(0, dtype=np.int64)
    rival = np.maximum(others[rows, best], 0.0)
    return {"own": own, "rival": rival, "suggested": np.where(rival > 0, names[best], "")}


def _proposed(drawn: Drawn, image: int, view: View, taken: set[int], names: np.ndarray) -> list[dict[str, Any]]:
    """What is seen where nothing is drawn. A drawn object that cannot be used (no area, outside) stands for one of its class."""
    boxes, seen = drawn.boxes[drawn.members[image]], view.seen.numpy().astype(np.float64)
    if drawn.crowded[image]:
        return []  # Not all that is drawn was looked at: what is free cannot be told.
    score = view.opinion.score.numpy()
    labels = view.opinion.probabilities[:, 1:].numpy().argmax(axis=1)
    free = [i for i in range(len(seen)) if i not in taken and score[i] >= LEAST]
    if len(boxes) and free:
        touch = overlaps(boxes, seen[free]).max(axis=0)
        within = (intersections(boxes, seen[free]) / np.maximum(areas(seen[free]), 1e-9)).max(axis=0)
        free = [i for i, near, part in zip(free, touch, within, strict=True) if near < TOUCH and part < WITHIN]
    for place in drawn.others[image].tolist():
        known = next((i for i in free if labels[i] == drawn.codes[place]), None)
        free = [i for i in free if i != known]
    return [
        {"box": (seen[i] / drawn.scale[image]).tolist(), "label": str(names[labels[i]]), "score": float(score[i])}
        for i in free
    ]
