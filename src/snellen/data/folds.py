"""k folds of a catalog: what belongs together is in one fold, and every fold has its share of every class."""

from __future__ import annotations

import csv
import io

import numpy as np

from snellen.catalog import OK, Catalog
from snellen.data._bundles import bundles, strata, units
from snellen.values import SnellenError


def folds(catalog: Catalog, k: int, seed: int) -> np.ndarray:
    """Fold number 0 … k-1 of every row, [n] int64; the same for the same seed, in whatever order the rows stand.

    Rows of one group, of equal content or of one near-duplicate cluster share a fold. Raises SnellenError for fewer than
    two folds, and where there are fewer bundles of such rows than folds.
    """
    if k < 2:
        raise SnellenError(f"{k} folds were asked for, expected 2 or more")
    order = np.argsort(np.asarray(catalog.ids, dtype=str), kind="stable")
    there = catalog.take(order)
    usable = there.column("verdict").astype(str) == OK
    clusters = bundles(there)
    if len(np.unique(clusters[usable])) < k:
        raise SnellenError(
            f"{len(np.unique(clusters[usable]))} groups of samples that belong together cannot fill {k} folds; ask for fewer"
        )
    parts = units(clusters, strata(there), usable, seed)
    chosen = _dealt(parts.counts, parts.largest_first(), k)
    result = np.empty(len(catalog), dtype=np.int64)
    result[order] = chosen[parts.member]
    return result


def with_folds(catalog: Catalog, k: int, *, seed: int) -> Catalog:
    """The catalog with a column `fold`: 0 … k-1 for what is not in the test split, -1 in it. Raises as `folds`."""
    open_ = np.flatnonzero(catalog.column("split").astype(str) != "test")
    column = np.full(len(catalog), -1, dtype=np.int64)
    column[open_] = folds(catalog.take(open_), k, seed)
    return catalog.with_columns({"fold": column})


def listed(catalog: Catalog) -> str:
    """The folds as CSV text: path, split, fold."""
    sink = io.StringIO()
    lines = csv.writer(sink, lineterminator="\n")
    lines.writerow(("path", "split", "fold"))
    lines.writerows(zip(*(catalog.table.column(name).to_pylist() for name in ("path", "split", "fold")), strict=True))
    return sink.getvalue()


def _dealt(counts: np.ndarray, order: np.ndarray, k: int) -> np.ndarray:
    """Fold of every unit, [units]: the one that lacks most of the unit's classes, then the smallest."""
    wanted = counts.sum(axis=0) / k
    left = np.tile(wanted, (k, 1))
    size = np.zeros(k)
    chosen = np.zeros(len(counts), dtype=np.int64)
    for unit in order:
        here = counts[unit] > 0
        lack = (left[:, here] / wanted[here]).mean(axis=1) if here.any() else np.zeros(k)
        # Rounded, so that what is equal stays equal and the smaller fold decides.
        chosen[unit] = np.lexsort((size, -np.round(lack, 9)))[0]
        left[chosen[unit]] -= counts[unit]
        size[chosen[unit]] += counts[unit].sum()
    return chosen
