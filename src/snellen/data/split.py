"""Give samples a split where the data has none: what belongs together stays together, classes keep their shares."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from snellen.catalog import OK, SPLITS, Catalog
from snellen.data._bundles import bundles, strata, units
from snellen.data.times import times
from snellen.values import SnellenError

TRAIN, VAL, TEST = range(3)


def split(catalog: Catalog, *, val: float, test: float, seed: int, time: str | None = None) -> Catalog:
    """The catalog with every row in train, val or test; the same for the same seed, in whatever order the rows stand.

    Given splits stay, but for this: where there is a train split and no val (or test), its share is taken from train.
    Rows of one group, of equal content or of one near-duplicate cluster (column `near`, if it is there) stay together;
    a row without a split that belongs to one with a split joins it. Shares are of the samples that are divided and hold
    for every class (the rarest of an image's labels, where it has several) as closely as whole clusters allow; a class
    of three or more clusters has one in every split.

    `time` names a column of times (ISO 8601, EXIF, or numbers): then the latest samples are test, those before them val,
    and nothing in train is later than the latest sample of any cluster that is held out; equal times are not torn apart,
    samples without a time train, and classes are not balanced. Raises SnellenError where nothing would be left to train
    on, and where times cannot be read or leave a split empty.
    """
    order = np.argsort(np.asarray(catalog.ids, dtype=str), kind="stable")
    there = catalog.take(order)
    result = np.empty(len(catalog), dtype=np.int64)
    result[order] = _places(there, np.asarray([0.0, val, test]), seed, time)
    return catalog.with_columns({"split": pa.array([SPLITS[index] for index in result], type=pa.string())})


def _places(catalog: Catalog, shares: np.ndarray, seed: int, time: str | None) -> np.ndarray:
    """Split of every row, [n], by number."""
    given = catalog.column("split").astype(str)
    result = np.asarray([SPLITS.index(name) if name in SPLITS else -1 for name in given], dtype=np.int64)
    shares = np.where(np.isin(np.arange(3), result), 0.0, shares)
    clusters = bundles(catalog)
    _follow(result, clusters)
    held = np.isin(clusters, clusters[(result == VAL) | (result == TEST)])
    pool = np.flatnonzero((result <= TRAIN) & ~held)
    if not len(pool) and not (result == TRAIN).any():
        raise SnellenError("every sample is in val or test; put samples in train, or leave the split out for some")
    counted = catalog.column("verdict").astype(str)[pool] == OK
    if time is not None:
        result[pool] = _divide_by_time(clusters[pool], times(catalog, time)[pool], counted, shares)
    else:
        result[pool] = _divide(clusters[pool], strata(catalog)[pool], counted, shares, seed)
    return result


def _follow(result: np.ndarray, clusters: np.ndarray) -> None:
    """Rows without a split join the split of what they belong to: the strictest, where there are several."""
    strictest = np.full(clusters.max(initial=-1) + 1, -1)
    np.maximum.at(strictest, clusters, result)
    free = result < 0
    result[free] = strictest[clusters[free]]


def _divide(
    clusters: np.ndarray, classes: np.ndarray, counted: np.ndarray, shares: np.ndarray, seed: int
) -> np.ndarray:
    """Split of every row, [n]. `shares` [3]: wanted shares of val and test; the rest is train."""
    parts = units(clusters, classes, counted, seed)
    total = parts.counts.sum(axis=0)
    wanted = shares[:, None] * total
    left = wanted.copy()
    chosen = np.full(len(parts.counts), TRAIN)
    for unit in parts.largest_first():
        place = _place(parts.counts[unit], left, wanted)
        chosen[unit] = place
        left[place] -= parts.counts[unit]
    _represent(chosen, parts.counts, [place for place in (VAL, TEST) if shares[place] > 0])
    return np.asarray(chosen[parts.member])


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


def _divide_by_time(clusters: np.ndarray, times: np.ndarray, counted: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Split of every row, [n]: whole clusters by their latest time ([n], -inf: none), latest to test, then val."""
    latest = np.full(clusters.max(initial=-1) + 1, -np.inf)
    np.maximum.at(latest, clusters, times)
    when = latest[clusters]
    blocks, sizes = np.unique(when[counted & (when > -np.inf)], return_counts=True)
    result = np.full(len(clusters), TRAIN)
    end = len(blocks)
    for place in (TEST, VAL):
        if shares[place] > 0:
            begin = end - _nearest(sizes[:end][::-1], float(shares[place] * counted.sum()))
            if begin >= end or (begin <= 0 and (when > -np.inf).all()):
                raise SnellenError(
                    f"{len(blocks)} different times leave nothing for {'train' if begin < end else SPLITS[place]}: samples of "
                    "one time (and what belongs to them) stay together; give finer times, or split without them"
                )
            above = when >= blocks[begin]
            result[above & (result == TRAIN)] = place
            end = begin
    return result


def _nearest(sizes: np.ndarray, wanted: float) -> int:
    """How many of the sizes, from the first, add up to about what is wanted: one at least."""
    return 1 + int(np.argmin(np.abs(np.cumsum(sizes) - wanted))) if len(sizes) else 0
