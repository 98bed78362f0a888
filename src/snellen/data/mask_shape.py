"""What a mask's outline says of itself, and of the image under it: numbers from pixels alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

# Levels around the outline at which edges are looked for, pixels; shifts are looked for up to this share of the side.
REACH = 8
SHIFT_SHARE = 0.15
# Radius of the smoothing that a hand-drawn outline survives and a frayed one does not, pixels.
SMOOTH = 2.0
# The block side is a low quantile: a slanted or round outline has many runs of one or two pixels.
RUN_QUANTILE = 0.1
# A gap of up to this share of the foreground is a hole; a larger one is the inside of a ring.
HOLE_SHARE = 0.1
_EMPTY = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Shape:
    """share: foreground of the whole, 0..1. parts: connected foreground pieces (4-neighbours). holes: area of the small
    gaps inside it by its own area. raggedness: pixels that change when the outline is smoothed, for every pixel of the
    smoothed outline. coarseness: side of the blocks it is made of, pixels (1 or 2 for a drawn outline)."""

    share: float
    parts: int
    holes: float
    raggedness: float
    coarseness: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the image's edges lie. offset: distance from the outline at which they are strongest, pixels, positive
    outside of the mask; offset_gain: how many times as strong as at the outline. shift (x, y): displacement of the mask
    that brings its outline onto the strongest edges, pixels; shift_gain likewise."""

    offset: float
    offset_gain: float
    shift: tuple[float, float]
    shift_gain: float


NO_ALIGNMENT = Alignment(np.nan, np.nan, (np.nan, np.nan), np.nan)


def shape_of(ids: np.ndarray, background: int) -> Shape:
    """Measure a mask [h, w] of class ids. An empty one has no parts and NaN where nothing can be said."""
    inside = ids != background
    area = int(inside.sum())
    if not area:
        return Shape(0.0, 0, np.nan, np.nan, np.nan)
    parts = int(ndimage.label(inside)[1])
    return Shape(area / inside.size, parts, _holes(inside) / area, _raggedness(inside), _block_side(ids))


def _holes(inside: np.ndarray) -> int:
    """Pixels of gaps that do not touch the border of the image and are small beside the foreground."""
    gaps, count = ndimage.label(~inside)
    if count < 2:
        return 0
    areas = np.bincount(gaps.reshape(-1), minlength=count + 1)
    small = areas <= HOLE_SHARE * areas[0]
    small[[0, *np.unique(np.concatenate([gaps[0], gaps[-1], gaps[:, 0], gaps[:, -1]]))]] = False
    return int(areas[small].sum())


def _raggedness(inside: np.ndarray) -> float:
    smooth = ndimage.gaussian_filter(inside.astype(np.float32), SMOOTH, mode="nearest") > 0.5
    # What is too thin to survive smoothing at all (a wire, a tail) is no fraying: it is left out of both.
    thick = ndimage.binary_dilation(smooth, iterations=int(2 * SMOOTH))
    outline = int(border(smooth).sum())
    return float((thick & (inside != smooth)).sum() / outline) if outline else np.nan


def border(inside: np.ndarray) -> np.ndarray:
    """Foreground pixels that have a neighbour outside of it (the image's own border counts as inside)."""
    return np.asarray(inside & ~ndimage.binary_erosion(inside, border_value=1))


def _block_side(ids: np.ndarray) -> float:
    """Length of the straight axis-parallel runs of the outline, of which a tenth (by length) is shorter."""
    runs = np.sort(np.concatenate([_runs(ids), _runs(ids.T)]))
    if not len(runs):
        return np.nan
    passed = np.cumsum(runs)
    return float(runs[np.searchsorted(passed, RUN_QUANTILE * passed[-1])])


def _runs(ids: np.ndarray) -> np.ndarray:
    """Lengths of the runs of steps between a row and the next. A step in the other direction ends a run."""
    if ids.shape[0] < 2:
        return _EMPTY
    step = ids[:-1] != ids[1:]
    pair = np.where(step, ids[:-1].astype(np.int64) * 65_536 + ids[1:], -1)
    padded = np.pad(pair, ((0, 0), (1, 1)), constant_values=-1).reshape(-1)
    places = np.concatenate([[0], np.flatnonzero(np.diff(padded)) + 1, [len(padded)]])
    lengths = np.diff(places)
    kept = padded[places[:-1]] >= 0
    # A run that ends at the border of the image is cut there and says nothing.
    width = ids.shape[1] + 2
    cut = (places[:-1] % width == 1) | (places[1:] % width == width - 1)
    return np.asarray(lengths[kept & ~cut])


def alignment_of(inside: np.ndarray, image: np.ndarray) -> Alignment:
    """Compare an outline [h, w] bool with the edges of its image [h, w] or [h, w, c] (any numbers)."""
    outline = border(inside)
    if not outline.any() or min(inside.shape) < 4:
        return NO_ALIGNMENT
    edges = edges_of(image)
    level, gain = _best_level(inside, edges)
    return Alignment(level, gain, *_best_shift(outline, edges))


def edges_of(image: np.ndarray) -> np.ndarray:
    """Gradient magnitude of the strongest channel after slight smoothing, [h, w] float32; `image` [h, w] or [h, w, c]."""
    planes = image[..., None] if image.ndim == 2 else image
    found = [
        ndimage.gaussian_gradient_magnitude(planes[..., channel].astype(np.float32), 1.0, mode="nearest")
        for channel in range(planes.shape[-1])
    ]
    strongest = np.max(found, axis=0)
    # One glaring edge must not speak for the whole outline.
    return np.asarray(np.minimum(strongest, np.quantile(strongest, 0.98)), dtype=np.float32)


def signed_distance(inside: np.ndarray) -> np.ndarray:
    """Distance to the outline in pixels, [h, w] float32: positive outside, negative inside, ±0.5 at the outline itself."""
    if inside.all() or not inside.any():
        return np.full(inside.shape, -np.inf if inside.all() else np.inf, dtype=np.float32)
    outside = ndimage.distance_transform_edt(~inside)
    return np.asarray(np.where(inside, 0.5 - ndimage.distance_transform_edt(inside), outside - 0.5), dtype=np.float32)


def _best_level(inside: np.ndarray, edges: np.ndarray) -> tuple[float, float]:
    distance = signed_distance(inside)
    near = np.abs(distance) < REACH + 1
    bins = np.floor(distance[near]).astype(np.int64) + REACH + 1
    weight = np.bincount(bins, edges[near], minlength=2 * REACH + 2)
    count = np.bincount(bins, minlength=2 * REACH + 2)
    # Level t lies between the bins t - 1 and t; few pixels there (inside of a thin part) are not evidence.
    pairs, strength = count[:-1] + count[1:], weight[:-1] + weight[1:]
    enough = pairs >= 0.25 * pairs[REACH]
    mean = np.where(enough, strength / np.maximum(pairs, 1), -1.0)
    best = int(mean.argmax())
    return float(best - REACH), float(mean[best] / max(mean[REACH], 1e-6))


def _best_shift(outline: np.ndarray, edges: np.ndarray) -> tuple[tuple[float, float], float]:
    score = correlation(edges, outline.astype(np.float32))
    reach = np.asarray(score.shape) // 2
    best = np.unravel_index(int(score.argmax()), score.shape)
    down, right = (int(place) - int(middle) for place, middle in zip(best, reach, strict=True))
    return (float(right), float(down)), float(score[best] / max(float(score[tuple(reach)]), 1e-6))


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Sum of `one` times the displaced `other` for every displacement up to SHIFT_SHARE of the side, [2r+1, 2s+1]: what
    leaves the image is lost. Row and column r, s hold no displacement."""
    reach = [max(1, round(SHIFT_SHARE * side)) for side in one.shape]
    shape = [fft.next_fast_len(side + far, real=True) for side, far in zip(one.shape, reach, strict=True)]
    whole = fft.irfft2(fft.rfft2(one, shape) * np.conj(fft.rfft2(other, shape)), shape)
    rows, columns = (np.arange(-far, far + 1) for far in reach)
    return np.asarray(whole[np.ix_(rows, columns)])
