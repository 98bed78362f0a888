"""Windows: pairs of images of which one looks like a part of the other, proposed by thumbnails of many parts.

The embedding of a small image moves far when a tenth of it is cut away; its pixels do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from snellen.data.content import cores
from snellen.data.pixels import Pixels

# A thumbnail has SIDE x SIDE grey values; windows are cut from an image of at most WORK pixels a side.
SIDE, WORK = 12, 64
# Windows: sides as shares of the image's, and so many places along each axis.
SHARES, PLACES = (0.8, 0.87, 0.94), 5
# The tree works on the leading directions, found on so many images; of each window the nearest are measured on all of the thumbnail.
DIRECTIONS, FITTED, NEAREST = 16, 20_000, 3
# Proposed are the first few images whose distance is at most CLOSE times that of the USUAL-th.
PROPOSED, USUAL, CLOSE = 4, 9, 0.5
# As in data/duplicates: a copy is much nearer than what the search may pass over.
SLACK = 1.0
AT_ONCE = 1024
FAR = 9.0
# An almost flat thumbnail is no pattern: its last grey level would be all of it.
LEAST = 2.0 * SIDE


@dataclass(frozen=True, slots=True)
class _Index:
    """Thumbnails of whole images as unit vectors [n, 144], and a tree of what they are in the leading directions."""

    wholes: np.ndarray
    middle: np.ndarray
    leading: np.ndarray
    tree: cKDTree

    @classmethod
    def of(cls, wholes: np.ndarray) -> _Index:
        middle = wholes.mean(axis=0)
        centred = wholes[:: max(1, len(wholes) // FITTED)] - middle
        _, directions = np.linalg.eigh(centred.T @ centred)
        leading = directions[:, -DIRECTIONS:]
        return cls(wholes, middle, leading, cKDTree((wholes - middle) @ leading))

    def nearest(self, seen: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of thumbnails [b, 144] of the images `own` [b]: the nearest others [b, k] and their distances (1 - correlation)."""
        many = min(NEAREST, len(self.wholes))
        _, rows = self.tree.query(
            (seen - self.middle) @ self.leading, k=np.arange(1, many + 1), eps=SLACK, workers=cores()
        )
        away = 1 - np.einsum("bd,bkd->bk", seen, self.wholes[rows])
        return rows, np.where(rows == own[:, None], FAR, away)


def parts(pixels: Pixels, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs [p, 2] of positions in `rows`, the smaller first, each once, and how near they are in proportion to what is usual, [p].

    Two images are near where the thumbnail of a window of one correlates with that of the whole other. Cost: 75 small products and
    searches for every image; it grows a little faster than their number.
    """
    places = np.arange(len(rows))
    if len(rows) < 2:
        return np.zeros((0, 2), dtype=np.int64), np.zeros(0, dtype=np.float32)
    chunks = [places[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
    index = _Index.of(np.concatenate([_thumbs(_grey(pixels, rows[own]), 1.0, 0.0, 0.0) for own in chunks]))
    found = [_near(_grey(pixels, rows[own]), own, index) for own in chunks]
    pairs, shares = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(shares, kind="stable")
    once, first = np.unique(pairs[order], axis=0, return_index=True)
    return once, shares[order][first]


def _near(grey: np.ndarray, own: np.ndarray, index: _Index) -> tuple[np.ndarray, np.ndarray]:
    """Pairs and shares of the images `own` [b], whose pixels are `grey` [b, s, s]."""
    steps = np.linspace(0, 1, PLACES)
    asked = [index.nearest(_thumbs(grey, *window), own) for window in product(SHARES, steps, steps)]
    rows, away = (np.concatenate(column, axis=1) for column in zip(*asked, strict=True))
    order = np.argsort(away, axis=1, kind="stable")
    rows, away = np.take_along_axis(rows, order, axis=1), np.take_along_axis(away, order, axis=1)
    # Of each image only its best window counts.
    by_row = np.argsort(rows, axis=1, kind="stable")
    same = np.diff(np.take_along_axis(rows, by_row, axis=1), axis=1, prepend=-1) == 0
    again = np.zeros_like(same)
    np.put_along_axis(again, by_row, same, axis=1)
    away = np.where(again, FAR, away)
    order = np.argsort(away, axis=1, kind="stable")[:, :USUAL]
    rows, away = np.take_along_axis(rows, order, axis=1), np.take_along_axis(away, order, axis=1)
    usual = np.where(away < FAR, away, -np.inf).max(axis=1, keepdims=True)
    share = away / np.maximum(usual, 1e-9)
    near = (share <= CLOSE) & (away < FAR)
    near[:, PROPOSED:] = False
    pairs = np.stack([np.broadcast_to(own[:, None], rows.shape)[near], rows[near]], axis=1)
    return np.sort(pairs, axis=1), share[near].astype(np.float32)


def _thumbs(grey: np.ndarray, share: float, down: float, across: float) -> np.ndarray:
    """Thumbnails of a window of images [b, s, s] as unit vectors [b, 144]; `share` of the side, `down` and `across` 0..1."""
    side = grey.shape[-1]
    seen = _means(side, share, down) @ grey @ _means(side, share, across).T
    flat = seen.reshape(len(seen), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), LEAST))


@cache
def _means(side: int, share: float, place: float, count: int = SIDE) -> np.ndarray:
    """How much of each of `count` equal parts of a window lies in each of `side` pixels, [count, side]; rows add up to 1."""
    length = share * side
    edges = place * (side - length) + np.linspace(0, length, count + 1)
    pixels = np.arange(side)
    held = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.clip(held, 0, 1) / (length / count), dtype=np.float32)


def _grey(pixels: Pixels, rows: np.ndarray) -> np.ndarray:
    """Luminance [b, s, s] float32, 0..255, of at most WORK pixels a side."""
    grey = pixels.gather(rows) @ np.asarray([0.299, 0.587, 0.114], dtype=np.float32)
    side = grey.shape[-1]
    if side <= WORK:
        return np.asarray(grey)
    small = _means(side, 1.0, 0.0, WORK)
    return np.asarray(small @ grey @ small.T)
