"""What a split may not tear apart, and what it should spread evenly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from snellen.annotations import Objects
from snellen.catalog import Catalog


def bundles(catalog: Catalog) -> np.ndarray:
    """Component of every row, [n], joined by equal group, content or near-duplicate cluster (column `near`)."""
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


def strata(catalog: Catalog) -> np.ndarray:
    """The class of every row by which shares are held, [n] text.

    Where an image has several labels (or objects) it is the rarest of them, counted in images, so that the rare ones
    are spread first; empty where it has none, and for tasks without classes of images.
    """
    if catalog.task == "multilabel":
        given = catalog.table.column("labels").to_pylist()
        pairs = {(row, name) for row, names in enumerate(given) for name in names or ()}
    elif catalog.has("objects"):
        objects = Objects.of(catalog)
        sound = objects.problem == ""
        pairs = set(zip(objects.row[sound].tolist(), objects.label[sound].tolist(), strict=True))
    else:
        return catalog.column("target").astype(str)
    return _rarest(pairs, len(catalog))


def _rarest(pairs: Iterable[tuple[int, str]], rows: int) -> np.ndarray:
    pairs = sorted(pairs)
    images = Counter(name for _, name in pairs)
    found = [""] * rows
    for row, name in pairs:
        if not found[row] or (images[name], name) < (images[found[row]], found[row]):
            found[row] = name
    return np.asarray(found, dtype=str)


@dataclass(frozen=True, slots=True)
class Units:
    """`counts` [units, classes] of usable samples; `member` [n] unit of every row, units in random order."""

    counts: np.ndarray
    member: np.ndarray

    def largest_first(self) -> np.ndarray:
        """Units by size: a small one always finds a gap later."""
        return np.argsort(-self.counts.sum(axis=1), kind="stable")


def units(clusters: np.ndarray, classes: np.ndarray, counted: np.ndarray, seed: int) -> Units:
    """Bundles as units; `counted` [n] bool says which rows are usable. The order of rows must not depend on chance."""
    _, first, number = np.unique(clusters, return_index=True, return_inverse=True)
    # Numbered by their first row: a component's own number is the solver's affair.
    rank = np.argsort(np.argsort(first))
    order = np.random.default_rng(seed).permutation(len(first))
    names, place = np.unique(classes, return_inverse=True)
    member = order[rank[number]]
    counts = np.zeros((len(first), len(names)))
    np.add.at(counts, (member, place), counted)
    return Units(counts, member)
