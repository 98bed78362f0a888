"""The pixels of an object: outlines and run lengths made a small mask, and how much two of them share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snellen.data.run_lengths import decode
from snellen.values import SnellenError


@dataclass(frozen=True, slots=True)
class Silhouette:
    """`pixels` [h, w] bool, whose first pixel is at row `top` and column `left` of the image."""

    top: int
    left: int
    pixels: np.ndarray

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(self.pixels.sum())

    def shared(self, other: Silhouette) -> int:
        """Number of pixels that both have."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom = min(self.top + self.pixels.shape[0], other.top + other.pixels.shape[0])
        right = min(self.left + self.pixels.shape[1], other.left + other.pixels.shape[1])
        if bottom <= top or right <= left:
            return 0
        return int((self._window(top, left, bottom, right) & other._window(top, left, bottom, right)).sum())

    def _window(self, top: int, left: int, bottom: int, right: int) -> np.ndarray:
        return self.pixels[top - self.top : bottom - self.top, left - self.left : right - self.left]


def iou(one: Silhouette, other: Silhouette) -> float:
    """Intersection over union, 0..1; 0 where both are empty."""
    shared = one.shared(other)
    union = one.area + other.area - shared
    return shared / union if union else 0.0


def dice_of(iou_value: np.ndarray | float) -> np.ndarray | float:
    """Dice coefficient 2|A∩B| / (|A|+|B|) of an IoU: the two order pairs alike."""
    return 2 * iou_value / (1 + iou_value)


def of_outlines(outlines: Sequence[np.ndarray]) -> Silhouette:
    """The union of closed lines [p, 2] (x, y): pixels whose centre lies inside one of them, by the even-odd rule."""
    lines = [line for line in outlines if len(line) >= 3]
    if not lines:
        return Silhouette(0, 0, np.zeros((0, 0), dtype=bool))
    points = np.concatenate(lines)
    left, top = np.floor(points.min(axis=0)).astype(int)
    right, bottom = np.ceil(points.max(axis=0)).astype(int)
    shape = (max(int(bottom - top), 0), max(int(right - left), 0))
    pixels = np.zeros(shape, dtype=bool)
    for line in lines:
        pixels |= _inside(line - (left, top), shape)
    return Silhouette(int(top), int(left), pixels)


def _inside(line: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Even-odd inside of one line, [h, w]: every edge flips all that lies right of it."""
    start, end = line, np.roll(line, -1, axis=0)
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    # Rows whose centre y + 0.5 is in [low, high): half open, so that a corner counts once.
    first, last = np.ceil(low - 0.5).astype(int), np.ceil(high - 0.5).astype(int)
    counts = last - first
    edge = np.repeat(np.arange(len(line)), counts)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    share = (row + 0.5 - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + share * (end[edge, 0] - start[edge, 0])
    flips = np.zeros((shape[0], shape[1] + 1), dtype=np.int32)
    np.add.at(flips, (row, np.ceil(x - 0.5).astype(int)), 1)
    return np.asarray(np.cumsum(flips, axis=1)[:, :-1] % 2 == 1)


def of_run_lengths(text: str) -> Silhouette:
    """COCO's compressed run lengths as "height width counts". Raises SnellenError where they do not fill the image."""
    try:
        return Silhouette(0, 0, decode(text))
    except ValueError as error:
        raise SnellenError(f"run lengths {text[:40]!r}: {error}") from None
