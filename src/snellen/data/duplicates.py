"""Find exact and near duplicates: re-encoded, brightened, mirrored and slightly cropped copies, and whatever else was verified."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from snellen.catalog import OK, Catalog
from snellen.data.content import cores
from snellen.data.measure import THUMB

ALONE = -1
# The tree works on the leading directions of the thumbnails; what it proposes is verified on whole thumbnails.
DIRECTIONS = 16
NEIGHBOURS = 9
# A branch of the tree is passed over where nothing in it is nearer than half the farthest neighbour found so far. A near
# duplicate is nearer than a third of that (`ratio` is of squared distances), so none is lost, and what was a search of nearly
# the whole tree becomes one of a few leaves: without this the time grows as the square.
SLACK = 1.0
# A mean over a channel that differs by more than this (of 255) is another picture, not a brightened copy.
MOST_SHIFT = 32.0


def near_clusters(
    catalog: Catalog, *, also: np.ndarray | None = None, ratio: float = 0.1, least: float = 0.93, same: float = 0.9995
) -> np.ndarray:
    """Cluster of duplicates for every row, [n] int64; -1 where the image is alone or cannot be used.

    Equal bytes are always one cluster. Two images are near where their 12x12 thumbnails (one of them mirrored or not)
    correlate at least `least`, and their distance (1 - correlation) is at most `ratio` times the distance of either
    to its ordinary neighbours. The second test adapts to the data: small grey images of one kind are all alike,
    photographs are not. Above `same` the second test is not asked, so that a series of ten copies, each other's
    neighbours, is found. `also` holds pairs of rows [p, 2] that are one picture by another witness
    (train/copies). Reads content, verdict, thumb; raises MissingSignal without them. Cost grows a little faster than the
    number of images (bench/audit_scale.py).
    """
    usable = np.flatnonzero(catalog.column("verdict").astype(str) == OK)
    result = np.full(len(catalog), ALONE, dtype=np.int64)
    if len(usable) < 2:
        return result
    names = catalog.column("content").astype(str)[usable]
    _, first, content = np.unique(names, return_index=True, return_inverse=True)
    pairs = _near_pairs(catalog.column("thumb")[usable[first]], ratio, least, same)
    if also is not None and len(also):
        of_row = np.full(len(catalog), ALONE)
        of_row[usable] = content
        more = of_row[also]
        pairs = np.concatenate([pairs, more[(more >= 0).all(axis=1)]])
    shape = (len(first), len(first))
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=shape)
    labels = connected_components(graph, directed=False)[1][content]
    _, place, numbers, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    # Numbered by first appearance, so that the numbers do not depend on the solver.
    order = np.argsort(np.argsort(np.where(counts > 1, place, len(usable) + place)))
    result[usable] = np.where(counts[numbers] > 1, order[numbers], ALONE)
    return result


@dataclass(frozen=True, slots=True)
class _Views:
    """Thumbnails as unit vectors, as they are and mirrored [m, 432], and the mean of each channel [m, 3]."""

    plain: np.ndarray
    mirrored: np.ndarray
    means: np.ndarray


def _near_pairs(thumbs: np.ndarray, ratio: float, least: float, same: float) -> np.ndarray:
    """Pairs [p, 2] of near duplicates among distinct contents; thumbs [m, 432] uint8."""
    count = len(thumbs)
    if count < 2:
        return np.zeros((0, 2), dtype=np.int64)
    images = thumbs.reshape(count, THUMB, THUMB, 3).astype(np.float32)
    views = _Views(_unit(images), _unit(images[:, :, ::-1]), images.mean(axis=(1, 2)))
    nearest, mirrored = _proposals(views)
    alike = _correlation(views.plain, views.plain, nearest)
    pairs = np.concatenate([_edges(nearest), _edges(mirrored)])
    scores = np.concatenate([alike.reshape(-1), _correlation(views.mirrored, views.plain, mirrored).reshape(-1)])
    # Distance to the farthest of the few nearest: what is ordinary around this image. With too few images nothing is.
    usual = 1 - alike.min(axis=1) if count > NEIGHBOURS else np.ones(count)
    around = np.minimum(usual[pairs[:, 0]], usual[pairs[:, 1]])
    shift = np.abs(views.means[pairs[:, 0]] - views.means[pairs[:, 1]]).max(axis=1)
    near = (scores >= same) | ((scores >= least) & (1 - scores <= ratio * around))
    kept = near & (shift <= MOST_SHIFT) & (pairs[:, 0] != pairs[:, 1])
    return np.asarray(pairs[kept])


def _proposals(views: _Views) -> tuple[np.ndarray, np.ndarray]:
    """Nearest images of every image, and of its mirror image: row numbers [m, k]."""
    middle = views.plain.mean(axis=0)
    centred = views.plain - middle
    _, directions = np.linalg.eigh(centred.T @ centred)
    leading = directions[:, -DIRECTIONS:]
    points = centred @ leading
    tree = cKDTree(points)
    many = min(NEIGHBOURS, len(points))
    threads = cores()
    _, nearest = tree.query(points, k=np.arange(1, many + 1), eps=SLACK, workers=threads)
    other = (views.mirrored - middle) @ leading
    _, mirrored = tree.query(other, k=np.arange(1, min(4, many) + 1), eps=SLACK, workers=threads)
    return nearest, mirrored


def _unit(images: np.ndarray) -> np.ndarray:
    flat = images.reshape(len(images), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    # The floor keeps the last grey level of an almost flat image from becoming its whole pattern.
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 2.0 * np.sqrt(flat.shape[1])))


def _correlation(one: np.ndarray, other: np.ndarray, places: np.ndarray) -> np.ndarray:
    # Column by column: all at once would hold nine thumbnails for every image.
    return np.stack([np.einsum("nd,nd->n", one, other[column]) for column in places.T], axis=1)


def _edges(places: np.ndarray) -> np.ndarray:
    return np.stack([np.repeat(np.arange(len(places)), places.shape[1]), places.reshape(-1)], axis=1)
