"""Arithmetic of drawn boxes [n, 4] (x0, y0, x1, y1): areas, overlaps, and which of two sets belong together."""

from __future__ import annotations

import numpy as np

ALONE = -1
# Below this overlap two boxes are not about one object.
TOUCH = 0.08
# A box that was moved away altogether: how far at most, in sides, how alike in size, how sure the other, how doubtful itself.
REACH, LIKE, SURE, DOUBTED = 1.5, 1.6, 0.5, 0.45


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union [n, m] of boxes [n, 4] and [m, 4]; 0 where a box has no area."""
    shared = intersections(one, other)
    whole = areas(one)[:, None] + areas(other)[None] - shared
    return np.asarray(np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0))


def intersections(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Common area [n, m]."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2))


def row_intersections(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Common area [n] of row with row."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    return np.asarray(np.clip(sides, 0, None).prod(axis=1))


def areas(boxes: np.ndarray) -> np.ndarray:
    """[n]; 0 where a side is not positive."""
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1))


def pair(drawn: np.ndarray, seen: np.ndarray, score: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """Row of `seen` for every drawn box, [n] int64, ALONE where none is left.

    The best overlap takes first, each box once; a seen box counts by its score [m] as well, so that a sure one goes before a
    doubtful one. Then a drawn box that is left, and that nothing speaks for (trust [n] below DOUBTED), takes a sure seen one
    of like size close by: it was moved away altogether. Two equal drawn boxes leave one of them alone.
    """
    found = np.full(len(drawn), ALONE, dtype=np.int64)
    overlap = overlaps(drawn, seen)
    _take(found, overlap * np.sqrt(score)[None], overlap >= TOUCH)
    worth = _closeness(drawn, seen)
    doubted = (found == ALONE) & (trust < DOUBTED)
    _take(found, worth, doubted[:, None] & (score >= SURE)[None] & (worth > 0))
    return found


def _take(found: np.ndarray, worth: np.ndarray, allowed: np.ndarray) -> None:
    """Fill `found`: of the allowed pairs of those that are left the worthiest first."""
    rows, places = np.nonzero(allowed)
    for place in np.argsort(-worth[rows, places], kind="stable"):
        row, column = rows[place], places[place]
        if found[row] == ALONE and column not in found:
            found[row] = column


def _closeness(drawn: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """[n, m]: 1 where the middles meet, 0 where they are REACH sides apart or the sizes differ by more than LIKE."""
    sides = [np.sqrt(np.maximum(areas(boxes), 1.0)) for boxes in (drawn, seen)]
    middles = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (drawn, seen)]
    apart = np.linalg.norm(middles[0][:, None] - middles[1][None], axis=2)
    ratio = np.abs(np.log(sides[0][:, None] / sides[1][None]))
    close = 1 - apart / (REACH * np.maximum(sides[0][:, None], sides[1][None]))
    return np.where(ratio <= np.log(LIKE), np.clip(close, 0, 1), 0.0)


def copies(boxes: np.ndarray, groups: np.ndarray, *, least: float) -> np.ndarray:
    """For every box [n, 4] the row of an earlier one of its group [n] with an overlap of at least `least`, -1 where there is none.

    Boxes are swept from left to right: of two that overlap so much, one begins within (1 - least) / least of the other's width
    (the common part is at least `least` of both). The cost is that of sorting, and of the pairs that begin so near.
    """
    found = np.full(len(boxes), ALONE, dtype=np.int64)
    if not len(boxes):
        return found
    first, same = _exact(boxes, groups)
    found[same != np.arange(len(boxes))] = same[same != np.arange(len(boxes))]
    order = first[np.lexsort((boxes[first, 0], groups[first]))]
    box, group = boxes[order], groups[order]
    reach = (box[:, 2] - box[:, 0]) * (1 - least) / least
    alive = np.arange(len(order))
    for lag in range(1, len(order)):
        alive = alive[alive + lag < len(order)]
        near = (group[alive] == group[alive + lag]) & (box[alive + lag, 0] - box[alive, 0] <= reach[alive])
        alive = alive[near]
        if not len(alive):
            break
        hit = alive[row_overlaps(box[alive], box[alive + lag]) >= least]
        one, other = order[hit], order[hit + lag]
        np.maximum.at(found, np.maximum(one, other), np.minimum(one, other))
    return found


def _exact(boxes: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the first of equal boxes, and for every box the first that equals it."""
    keys = np.column_stack([groups, np.round(boxes, 2)])
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return np.sort(first), first[inverse.reshape(-1)]


def row_overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union [n] of row with row."""
    shared = row_intersections(one, other)
    whole = areas(one) + areas(other) - shared
    return np.asarray(np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0))
