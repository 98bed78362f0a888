"""Which boxes of two annotators are the same object: overlaps without comparing all with all, then the best pairing."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

# Above this many pairs a tree proposes; below, all are compared at once.
MOST_PAIRS = 1_000_000
# Of so many objects in one place nobody could say which is which: then the best pairs are taken one by one.
MOST_AT_ONCE = 1_000
NEIGHBOURS = 64


def box_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes [..., 4] (x0, y0, x1, y1), broadcast; 0 where both are empty."""
    low = np.maximum(one[..., :2], other[..., :2])
    high = np.minimum(one[..., 2:], other[..., 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    union = _area(one) + _area(other) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _area(box: np.ndarray) -> np.ndarray:
    return np.asarray(np.prod(np.maximum(box[..., 2:] - box[..., :2], 0), axis=-1))


def candidates(one: np.ndarray, other: np.ndarray, *, least: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of `one` [n, 4] and `other` [m, 4] whose IoU is at least `least` (> 0), and that IoU; each [p].

    With very many boxes each is compared with its nearest ones of like size only (cost n log n).
    """
    if not len(one) or not len(other):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    if len(one) * len(other) <= MOST_PAIRS:
        values = box_iou(one[:, None], other[None])
        first, second = np.nonzero(values >= least)
        return first, second, values[first, second]
    first, second = _proposed(one, other, least)
    values = box_iou(one[first], other[second])
    keep = values >= least
    return first[keep], second[keep], values[keep]


def _proposed(one: np.ndarray, other: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that can reach the IoU: the larger sides differ by 1 / least at most, and the centres by less than a side."""
    sizes = [np.log2(np.maximum((box[:, 2:] - box[:, :2]).max(axis=1), 1e-9)) for box in (one, other)]
    octaves = [np.floor(size).astype(int) for size in sizes]
    reach = int(np.ceil(np.log2(1 / least)))
    centres = [(box[:, :2] + box[:, 2:]) / 2 for box in (one, other)]
    found = []
    for octave in np.unique(octaves[0]):
        mine = np.flatnonzero(octaves[0] == octave)
        theirs = np.flatnonzero(np.abs(octaves[1] - octave) <= reach)
        if len(theirs):
            tree = cKDTree(centres[1][theirs])
            radius = (1 - least) / 2 * 2.0 ** (octave + 1) / least
            many = np.arange(1, min(NEIGHBOURS, len(theirs)) + 1)
            _, near = tree.query(centres[0][mine], k=many, p=np.inf, distance_upper_bound=radius * (1 + 1e-9))
            row, place = np.nonzero(near < len(theirs))
            found.append((mine[row], theirs[near[row, place]]))
    return tuple(np.concatenate(side) for side in zip(*found, strict=True)) if found else (np.zeros(0, int),) * 2  # type: ignore[return-value]


def match(first: np.ndarray, second: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Places [q] among the proposed pairs such that no row is in two and the sum of their scores (> 0) is largest.

    Source: Kuhn, The Hungarian method (1955), in every connected group of pairs by itself.
    """
    if not len(score):
        return np.zeros(0, dtype=np.int64)
    _, mine = np.unique(first, return_inverse=True)
    _, theirs = np.unique(second, return_inverse=True)
    count = int(mine.max()) + int(theirs.max()) + 2
    graph = coo_matrix((np.ones(len(score)), (mine, theirs + int(mine.max()) + 1)), shape=(count, count))
    part = connected_components(graph, directed=False)[1][mine]
    order = np.argsort(part, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(part[order])) + 1)
    chosen = [group if len(group) == 1 else group[_best(mine[group], theirs[group], score[group])] for group in groups]
    return np.sort(np.concatenate(chosen))


def _best(mine: np.ndarray, theirs: np.ndarray, score: np.ndarray) -> np.ndarray:
    rows, row = np.unique(mine, return_inverse=True)
    columns, column = np.unique(theirs, return_inverse=True)
    if max(len(rows), len(columns)) > MOST_AT_ONCE:
        return _greedy(row, column, score)
    table = np.zeros((len(rows), len(columns)))
    place = np.full(table.shape, -1)
    table[row, column], place[row, column] = score, np.arange(len(score))
    picked = place[linear_sum_assignment(table, maximize=True)]
    return np.asarray(picked[picked >= 0])


def _greedy(row: np.ndarray, column: np.ndarray, score: np.ndarray) -> np.ndarray:
    taken: tuple[set[int], set[int]] = (set(), set())
    chosen = []
    for place in np.argsort(-score, kind="stable").tolist():
        if row[place] not in taken[0] and column[place] not in taken[1]:
            taken[0].add(int(row[place]))
            taken[1].add(int(column[place]))
            chosen.append(place)
    return np.asarray(chosen, dtype=np.int64)
