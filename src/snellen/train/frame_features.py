"""What speaks for and against a box: two opinions on it, what is seen near it, and how it lies among the other drawn ones."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from snellen.data.boxes import areas, intersections, overlaps, row_overlaps
from snellen.train.box_steps import follow, way
from snellen.train.detector import Opinion
from snellen.train.misplaced import NOBODY

# A seen box that overlaps less than this with every other drawn one is free to be this one's.
FREE, TOUCH = 0.4, 0.02
# A drawn box that lies so much within another is counted as its part.
PART = 0.7
# Numbers for every box, and of these from what is seen.
COUNT, SIGHT = 40, 9


def frame_features(
    boxes: Tensor, own: np.ndarray, opinions: tuple[Opinion, Opinion], drawn: Tensor, seen: Tensor, score: np.ndarray, size: int
) -> np.ndarray:  # fmt: skip
    """[n, COUNT] of boxes [n, 4]. `own` [n] is the row of each one's drawn box (NOBODY: none), which is not compared with it: the box
    itself, or the one that it was made of. `seen` [s, 4] and `score` [s] are what the detector sees in the image."""
    if not len(boxes):
        return np.zeros((0, COUNT))
    place, base = boxes.double().numpy(), drawn.double().numpy()
    parts = [*_looks(boxes, opinions, size), *_company(place, base, own), *_sight(boxes, own, base, seen, score)]
    return np.stack([*parts, *_shape(place, base, own, size)], axis=1)


def _looks(boxes: Tensor, opinions: tuple[Opinion, Opinion], size: int) -> list[np.ndarray]:
    """What each look says, and their mean: there is something, it is framed, where the frame should be."""
    found: list[np.ndarray] = []
    for one in (*opinions, opinions[0].mean(opinions[1])):
        step = one.step.numpy()
        frame = follow(boxes, one.step, size).double().numpy()
        found += [
            1 - one.probabilities[:, 0].numpy(), one.overlap.numpy(), np.hypot(step[:, 0], step[:, 1]), step[:, 2:].mean(axis=1),
            step[:, 2:].max(axis=1), step[:, 2:].min(axis=1), row_overlaps(boxes.double().numpy(), frame),
        ]  # fmt: skip
    return [*found, (opinions[0].step - opinions[1].step).abs().sum(dim=1).numpy()]


def _company(place: np.ndarray, base: np.ndarray, own: np.ndarray) -> list[np.ndarray]:
    """The other drawn boxes: most overlap, how much of this one lies in them, how much of them in this one."""
    rows = np.arange(len(place))
    overlap, shared = overlaps(place, base), intersections(place, base)
    known = own >= 0
    overlap[rows[known], own[known]] = shared[rows[known], own[known]] = 0
    mine, theirs = shared / np.maximum(areas(place), 1e-9)[:, None], shared / np.maximum(areas(base), 1e-9)[None]
    parts = (theirs > PART).sum(axis=1)
    return [overlap.max(axis=1), mine.max(axis=1), np.minimum(mine.sum(axis=1), 3), theirs.max(axis=1), parts]


def _sight(boxes: Tensor, own: np.ndarray, base: np.ndarray, seen: Tensor, score: np.ndarray) -> list[np.ndarray]:
    """The seen box that fits best, and the surest one in touch that belongs to no other drawn box: overlap, score, way there."""
    if not len(seen):
        return [np.zeros(len(boxes)) for _ in range(SIGHT)]
    there = seen.double().numpy()
    overlap, rows = overlaps(boxes.double().numpy(), there), np.arange(len(boxes))
    taken = _without(overlaps(there, base), own)
    best = (overlap * np.sqrt(score)[None]).argmax(axis=1)
    free = np.where((taken < FREE) & (overlap > TOUCH), score[None], 0.0)
    other = free.argmax(axis=1)
    found = [overlap[rows, best], score[best], *_way(boxes, seen[best]), taken[rows, best]]
    some = free[rows, other] > 0
    led = np.where(some, np.stack([overlap[rows, other], *_way(boxes, seen[other])]), [[0.0], [-1.0], [0.0]])
    return [*found, free[rows, other], *led]


def _without(table: np.ndarray, own: np.ndarray) -> np.ndarray:
    """[n, s]: of every row of the table [s, m] the largest value but for column own [n]."""
    best = table.argmax(axis=1)
    largest, rest = table.max(axis=1), table.copy()
    rest[np.arange(len(table)), best] = 0
    without: np.ndarray = np.where(best[None] == own[:, None], rest.max(axis=1)[None], largest[None])
    return without


def _way(boxes: Tensor, end: Tensor) -> tuple[np.ndarray, np.ndarray]:
    step = way(boxes, end.to(boxes.dtype)).double().numpy()
    return np.hypot(step[:, 0], step[:, 1]), step[:, 2:].mean(axis=1)


def _shape(place: np.ndarray, base: np.ndarray, own: np.ndarray, size: int) -> list[np.ndarray]:
    """Size (log), size beside the other drawn ones of the image, how oblong it is, and how many borders it touches."""
    sides = np.log(np.maximum(place[:, 2:] - place[:, :2], 1.0))
    usual = np.log(np.maximum(base[:, 2:] - base[:, :2], 1.0)).mean(axis=1)
    rest = [np.delete(usual, row) if row >= 0 else usual for row in range(NOBODY, len(usual))]
    others = np.asarray([np.median(some if len(some) else usual) for some in rest])[own - NOBODY]
    cut = (place[:, :2] <= 1).sum(axis=1) + (place[:, 2:] >= size - 1).sum(axis=1)
    return [sides.mean(axis=1), sides.mean(axis=1) - others, np.abs(sides[:, 0] - sides[:, 1]), cut]
