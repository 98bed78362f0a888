"""Index: the nearest neighbours of very many points without comparing all with all."""

from __future__ import annotations

import numpy as np

# Up to so many points all are compared with all: that is faster then, and exact.
FEW = 4096
# Two divisions into cells, each searched in the cells around a point's own: what a border cuts off in one, the other finds.
DIVISIONS, PROBES = 2, 6
ROUNDS, FITTED = 6, 64


def nearest(points: np.ndarray, count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the `count` nearest others of every point and their Euclidean distances, both [n, count], nearest first; points
    [n, d] float32.

    Exact up to 4,096 points, then by an inverted file (Jégou, Douze & Schmid 2011, doi:10.1109/TPAMI.2010.57, §IV, without
    compression): points are dealt to about √n cells, and those of the cells around are compared, so that the cost
    grows as n^1.5. A neighbour that is much nearer than the others, which is what is sought here, is hardly ever missed; a
    place that could not be filled has the point itself at an infinite distance. `count` is at most n - 1.
    """
    count = max(0, min(count, len(points) - 1))
    if len(points) <= FEW:
        return _compared(points, np.arange(len(points)), np.arange(len(points)), count)
    rows = np.tile(np.arange(len(points))[:, None], (1, count))
    away = np.full((len(points), count), np.inf, dtype=np.float32)
    for division in range(DIVISIONS):
        centres, cell = _cells(points, np.random.default_rng((seed, division)))
        members = np.split(np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell, minlength=len(centres)))[:-1])
        around = _compared(centres, np.arange(len(centres)), np.arange(len(centres)), PROBES)[0]
        for own, inside in enumerate(members):
            if len(inside):
                known = np.concatenate([inside, *(members[other] for other in around[own])])
                found, distance = _compared(points, inside, known, min(count, len(known) - 1))
                rows[inside], away[inside] = _merged(rows[inside], away[inside], found, distance)
    return rows, away


def _compared(points: np.ndarray, asked: np.ndarray, known: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of `known` rows to each of `asked`, itself left out: rows and distances [asked, count]."""
    if not count:
        return np.zeros((len(asked), 0), dtype=np.int64), np.zeros((len(asked), 0), dtype=np.float32)
    one, other = points[asked], points[known]
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    squares[asked[:, None] == known[None, :]] = np.inf
    places = np.argpartition(squares, count - 1, axis=1)[:, :count]
    found = np.take_along_axis(squares, places, axis=1)
    order = np.argsort(found, axis=1, kind="stable")
    away = np.sqrt(np.maximum(np.take_along_axis(found, order, axis=1), 0))
    return known[np.take_along_axis(places, order, axis=1)], away


def _merged(
    rows: np.ndarray, away: np.ndarray, found: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of both, each row once."""
    width = rows.shape[1]
    rows, away = np.concatenate([rows, found], axis=1), np.concatenate([away, distance], axis=1)
    order = np.argsort(rows, axis=1, kind="stable")
    sorted_ = np.take_along_axis(rows, order, axis=1)
    twice = np.zeros(rows.shape, dtype=bool)
    np.put_along_axis(twice, order[:, 1:], sorted_[:, 1:] == sorted_[:, :-1], axis=1)
    away = np.where(twice, np.inf, away)
    best = np.argsort(away, axis=1, kind="stable")[:, :width]
    return np.take_along_axis(rows, best, axis=1), np.take_along_axis(away, best, axis=1)


def _cells(points: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Middles of about √n cells (k-means on a sample), and the cell of every point."""
    count = int(np.sqrt(len(points)))
    sample = points[random.choice(len(points), min(len(points), FITTED * count), replace=False)]
    centres = sample[:count].copy()
    for _ in range(ROUNDS):
        cell = _assigned(sample, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, cell, sample)
        sizes = np.bincount(cell, minlength=count)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres).astype(points.dtype)
    return centres, _assigned(points, centres)


def _assigned(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    half = (centres**2).sum(axis=1) / 2
    parts = range(0, len(points), FEW)
    return np.concatenate([np.argmax(points[at : at + FEW] @ centres.T - half, axis=1) for at in parts])
