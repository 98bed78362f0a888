"""Give samples a split where the data has none: what belongs together stays together, classes keep their shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from snellen.catalog import OK, SPLITS, Catalog
from snellen.values import SnellenError

TRAIN, VAL, TEST = range(3)


def split(catalog: Catalog, *, val: float, test: float, seed: int) -> Catalog:
    """The catalog with every row in train, val or test.

    Given splits stay, but for this: where there is a train split and no val (or test), its share is taken from train.
    Rows of one group, of equal content or of one near-duplicate cluster (column `near`, if it is there) stay together;
    a row without a split that belongs to one with a split joins it. Shares are of the samples that are divided and hold
    for every class as closely as whole clusters allow; a class of three or more clusters has one in every split.
    Raises SnellenError where nothing would be left to train on.
    """
    given = catalog.column("split").astype(str)
    result = np.asarray([SPLITS.index(name) if name in SPLITS else -1 for name in given], dtype=np.int64)
    shares = np.asarray([0.0, 0.0 if VAL in result else val, 0.0 if TEST in result else test])
    clusters = _clusters(catalog)
    _follow(result, clusters)
    held = np.isin(clusters, clusters[(result == VAL) | (result == TEST)])
    pool = np.flatnonzero((result <= TRAIN) & ~held)
    if not len(pool) and not (result == TRAIN).any():
        raise SnellenError("every sample is in val or test; put samples in train, or leave the split out for some")
    counted = catalog.column("verdict").astype(str)[pool] == OK
    result[pool] = _divide(clusters[pool], catalog.column("target").astype(str)[pool], counted, shares, seed)
    return catalog.with_columns({"split": pa.array([SPLITS[index] for index in result], type=pa.string())})


def _follow(result: np.ndarray, clusters: np.ndarray) -> None:
    """Rows without a split join the split of what they belong to: the strictest, where there are several."""
    strictest = np.full(clusters.max(initial=-1) + 1, -1)
    np.maximum.at(strictest, clusters, result)
    free = result < 0
    result[free] = strictest[clusters[free]]


def _clusters(catalog: Catalog) -> np.ndarray:
    """Component of every row, [n], joined by equal group, content or near-duplicate cluster."""
    count = len(catalog)
    keys = [catalog.column("group").astype(str), catalog.column("content").astype(str)]
    blanks = ["", ""]
    if catalog.has("near"):
        keys.append(catalog.column("near").astype(str))
        blanks.append("-1")
    edges = [_chain(key, blank) for key, blank in zip(keys, blanks, strict=True)]
    start, end = np.concatenate(edges, axis=1)
    graph = coo_matrix((np.ones(len(start)), (start, end)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _chain(values: np.ndarray, blank: str) -> np.ndarray:
    """Edges [2, e] that join rows of equal value, one after the other."""
    rows = np.flatnonzero(values != blank)
    rows = rows[np.argsort(values[rows], kind="stable")]
    same = values[rows[1:]] == values[rows[:-1]]
    return np.stack([rows[:-1][same], rows[1:][same]])


@dataclass(frozen=True, slots=True)
class _Units:
    """`counts` [units, classes] of usable samples; `member` [n] unit of every row, units in random order."""

    counts: np.ndarray
    member: np.ndarray


def _units(clusters: np.ndarray, targets: np.ndarray, counted: np.ndarray, seed: int) -> _Units:
    _, number = np.unique(clusters, return_inverse=True)
    count = int(number.max(initial=-1)) + 1
    order = np.random.default_rng(seed).permutation(count)
    classes, target = np.unique(targets, return_inverse=True)
    counts = np.zeros((count, len(classes)))
    np.add.at(counts, (order[number], target), counted)
    return _Units(counts, order[number])


def _divide(
    clusters: np.ndarray, targets: np.ndarray, counted: np.ndarray, shares: np.ndarray, seed: int
) -> np.ndarray:
    """Split of every row, [n]. `shares` [3]: wanted shares of val and test; the rest is train."""
    units = _units(clusters, targets, counted, seed)
    total = units.counts.sum(axis=0)
    wanted = shares[:, None] * total
    left = wanted.copy()
    chosen = np.full(len(units.counts), TRAIN)
    # Large clusters first: a small one always finds a gap later.
    for unit in np.argsort(-units.counts.sum(axis=1), kind="stable"):
        place = _place(units.counts[unit], left, wanted)
        chosen[unit] = place
        left[place] -= units.counts[unit]
    _represent(chosen, units.counts, [place for place in (VAL, TEST) if shares[place] > 0])
    return np.asarray(chosen[units.member])


def _place(counts: np.ndarray, left: np.ndarray, wanted: np.ndarray) -> int:
    """The held-out split with the largest open share that the unit does not overfill; train where neither is left."""
    here = counts > 0
    best, most = TRAIN, 0.0
    for place in (VAL, TEST):
        fits = (counts[here] <= left[place, here] + np.maximum(0.5, 0.1 * wanted[place, here])).all()
        if here.any() and fits and wanted[place, here].all():
            share = float((left[place, here] / wanted[place, here]).mean())
            if share > most:
                best, most = place, share
    return best


def _represent(chosen: np.ndarray, counts: np.ndarray, places: list[int]) -> None:
    """Move one small unit where a class of enough units is missing from a held-out split."""
    for target in range(counts.shape[1]):
        holders = np.flatnonzero(counts[:, target] > 0)
        for place in places:
            inside = holders[chosen[holders] == TRAIN]
            if len(holders) >= 3 and len(inside) >= 2 and not (chosen[holders] == place).any():
                chosen[inside[np.argmin(counts[inside].sum(axis=1))]] = place
