"""How alike two annotators drew an object: IoU of boxes or of masks, OKS of keypoints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snellen.annotations import Objects
from snellen.data.silhouette import Silhouette, iou, of_outlines, of_run_lengths

# (annotator, places of objects, other annotator, places of objects, IoU of their boxes) -> likeness, each 0..1.
Likeness = Callable[[int, np.ndarray, int, np.ndarray, np.ndarray], np.ndarray]

# Boxes that overlap less than this are not looked at again: their masks or points are not one object's.
LEAST_BOX = 0.1
COCO_POINTS = [
    "nose",
    *(
        f"{side}_{name}"
        for name in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ),
]
COCO_SIGMAS = (26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89)


def likeness(task: str, objects: list[Objects], names: list[str], *, sigma: float) -> Likeness:
    """The measure of a task: boxes by IoU, instances by the IoU of their masks, keypoints by OKS."""
    if task == "instance":
        return _masks(objects)
    if task == "keypoints":
        return _points(objects, names, sigma)
    return lambda one, mine, other, theirs, boxes: boxes


def _masks(objects: list[Objects]) -> Likeness:
    outlines = [item.polygons() for item in objects]
    lengths = [item.table.field("rle").to_pylist() for item in objects]
    known: dict[tuple[int, int], Silhouette] = {}

    def drawn(annotator: int, place: int) -> Silhouette:
        if (annotator, place) not in known:
            text = lengths[annotator][place]
            known[annotator, place] = of_run_lengths(text) if text else of_outlines(outlines[annotator][place])
        return known[annotator, place]

    def of(one: int, mine: np.ndarray, other: int, theirs: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        pairs = zip(mine.tolist(), theirs.tolist(), strict=True)
        return np.asarray([iou(drawn(one, i), drawn(other, j)) for i, j in pairs], dtype=float)

    return of


def _points(objects: list[Objects], names: list[str], sigma: float) -> Likeness:
    points = [item.keypoints() for item in objects]
    sigmas = np.asarray(COCO_SIGMAS) / 1000 if list(names) == COCO_POINTS else np.full(max(len(names), 1), sigma)

    def of(one: int, mine: np.ndarray, other: int, theirs: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        found = []
        for i, j in zip(mine.tolist(), theirs.tolist(), strict=True):
            sides = np.stack([objects[one].box[i], objects[other].box[j]]).reshape(2, 2, 2)
            area = float(np.prod(sides[:, 1] - sides[:, 0], axis=1).mean())
            found.append(oks(points[one][i], points[other][j], area, sigmas))
        return np.asarray(found, dtype=float)

    return of


def oks(one: np.ndarray, other: np.ndarray, area: float, sigmas: np.ndarray) -> float:
    """Object keypoint similarity of points [k, 3] (x, y, visibility), 0..1; a point that only one has counts as 0.

    Source: COCO, Keypoint evaluation: exp(-d² / 2 s² k²), s² the object's area, k twice the point's sigma.
    """
    count = min(len(one), len(other))
    seen = [side[:count, 2] > 0 for side in (one, other)]
    either = seen[0] | seen[1]
    if not either.any() or area <= 0:
        return 0.0
    squares = ((one[:count, :2] - other[:count, :2]) ** 2).sum(axis=1)
    spread = 2 * area * (2 * np.resize(sigmas, count)) ** 2
    return float((np.exp(-squares / spread) * (seen[0] & seen[1]))[either].mean())
