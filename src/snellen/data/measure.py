"""What is measured of every image when it is decoded: numbers that audit rules read.

Detail and tones come from one luminance image of moderate size, the look, which is never larger than the image itself: pixels
that were made up would look blurred. Colour, hash and thumbnail come from the square that is stored anyway. So measuring costs
a fraction of decoding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from PIL import Image

from snellen.data.opencv import opencv

# Side in pixels to which a longer shorter side is brought before looking, so that sharpness compares between sizes.
LOOK = 128
# A strip of 10 x 50,000 stays a strip of 10 x 80: the longer side is at most this many times the shorter.
LONGEST = 8
# The coloured image has from SMALL to twice SMALL pixels along either axis (fewer where there are fewer).
SMALL = 32
THUMB = 12
HASH_SIDE = 32
HASH_LOW = 8
# Luminance (of 255) below which a pixel is dark, and from which on it is bright.
DARK, BRIGHT = 13, 243
# Pixels over which an image is blurred once more to see what that takes away.
REBLUR = 9
# Norm of the mask that gives the residual; the first quartile of a standard normal distribution's absolute value.
RESIDUAL, QUARTER = 6, 0.3186

# What `measure_all` gives as one number each; columns of the catalog.
NUMBERS = (
    "brightness", "contrast", "dark", "bright", "low", "high", "saturation", "chroma", "red", "green", "blue",
    "sharpness", "blur", "noise",
)  # fmt: skip


def measure_all(pairs: Sequence[tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Measure RGB images (Pillow), each given with the same squashed to the square that is stored.

    Those of one shape are measured together, and each as if it were alone: threads that decode and measure hand the
    interpreter to one another at every step, which costs more than the steps of one image.

    Luminance is ITU-R 601, 0..1, of the image at a shorter side of at most 128 px:

    - brightness, contrast: mean and standard deviation. dark, bright: share of pixels below 0.05, above 0.95. low, high:
      the 5 % and 95 % quantiles.
    - sharpness: variance of the 4-neighbour Laplacian. blur: 0 (sharp) to 1, the share of the gradient that another blur
      leaves, the larger of both axes (Crete et al. 2007, "The blur effect"); it depends less on the content.
    - noise: standard deviation of noise after Immerkaer (1996, "Fast noise variance estimation"), from the first quartile
      of the residual instead of its mean: edges and texture do not count, as long as a quarter of the image has none.

    Colour is of the square brought to 32 to 63 px:

    - saturation: mean (max - min) / max of the channels. chroma: largest max - min. red, green, blue: means, 0..1.
    - colour_spread: largest standard deviation of a channel, 0..1.

    For comparing: phash: 64-bit DCT hash as int64. thumb: 12x12x3 bytes.

    blur and noise are NaN where a side is below 11 px.
    """
    looks = [_look(*pair) for pair in pairs]
    smalls = [_Small.of(square) for _, square in pairs]
    alike: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, (look, small) in enumerate(zip(looks, smalls, strict=True)):
        alike[look.size, small.image.size, small.box].append(place)
    found: list[dict[str, Any]] = [{} for _ in pairs]
    for places in alike.values():
        columns = _columns([looks[place] for place in places], [smalls[place] for place in places])
        for row, place in enumerate(places):
            found[place] = {name: values[row] for name, values in columns.items()}
    return found


def _columns(looks: Sequence[Any], smalls: Sequence[_Small]) -> dict[str, Sequence[Any]]:
    """What is measured of looks and small images of one size each, a value an image."""
    grey = np.stack([np.asarray(look) for look in looks])
    colour = np.stack([np.asarray(small.image) for small in smalls])
    numbers = {
        **_tones(np.asarray([look.histogram() for look in looks])),
        **_detail(grey),
        **_colours(colour),
    }
    return {
        **{name: values.tolist() for name, values in numbers.items()},
        "phash": _phash(smalls),
        "thumb": list(_thumbs(colour, smalls[0].box)),
    }


def thumb(image: Any) -> np.ndarray:
    """A Pillow image squashed to 12x12, as [432] uint8."""
    small = _Small.of(image.convert("RGB"))
    return np.asarray(_thumbs(np.asarray(small.image)[None], small.box)[0])


@dataclass(frozen=True, slots=True)
class _Small:
    """An image averaged over whole cells, and the part of it that the picture fills: the last cells may lie half outside."""

    image: Any
    box: tuple[float, float, float, float]

    @classmethod
    def of(cls, image: Any) -> _Small:
        width, height = image.size
        cell = max(1, width // SMALL), max(1, height // SMALL)
        return cls(image.reduce(cell), (0, 0, width / cell[0], height / cell[1]))

    def squashed(self, side: int) -> np.ndarray:
        """Luminance [side, side] uint8."""
        return np.asarray(self.image.convert("L").resize((side, side), Image.Resampling.BILINEAR, box=self.box))


def _thumbs(pixels: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """Means over 12x12 equal parts of [n, h, w, 3], [n, 432] uint8. Pillow's box filter takes whole pixels only, which moves edges by half of one."""
    down, across = _shares(pixels.shape[1], box[3]), _shares(pixels.shape[2], box[2])
    rows = (down @ pixels.reshape(*pixels.shape[:2], -1).astype(np.float32)).reshape(len(pixels), THUMB, -1, 3)
    means: np.ndarray = np.rint(across @ rows).astype(np.uint8)
    return means.reshape(len(pixels), -1)


@lru_cache(maxsize=256)
def _shares(count: int, length: float) -> np.ndarray:
    """How much of each of THUMB equal parts of `length` lies in each of `count` pixels: [THUMB, count] float32, rows add up to 1."""
    edges = np.linspace(0, length, THUMB + 1)
    pixels = np.arange(count)
    common = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    common = np.clip(common, 0, None)
    return np.asarray(common / common.sum(axis=1, keepdims=True), dtype=np.float32)


def _phash(smalls: Sequence[_Small]) -> list[int]:
    """Signs of the 8x8 lowest DCT frequencies of the 32x32 luminance against their median, by image."""
    values = np.stack([small.squashed(HASH_SIDE) for small in smalls])
    basis = _cosines()
    low = (basis @ values.astype(np.float64) @ basis.T).reshape(len(smalls), -1)
    bits = low > np.median(low, axis=1, keepdims=True)
    words: list[int] = np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64).view(np.int64).tolist()
    return words


def _look(image: Any, square: Any) -> Any:
    """Luminance at the scale of LOOK: the square's where it has enough pixels and none were made up, else the image's."""
    short, long = sorted(image.size)
    if min(short, *square.size) >= LOOK:
        return square.convert("L").resize((LOOK, LOOK), Image.Resampling.BOX)
    side = min(LOOK, short)
    size = (round(side * min(long / short, LONGEST)), side)
    return image.convert("L").resize(size if image.width >= image.height else size[::-1], Image.Resampling.BOX)


def _tones(counts: np.ndarray) -> dict[str, np.ndarray]:
    """From histograms of luminance, [n, 256]."""
    share = counts / counts.sum(axis=1, keepdims=True)
    levels = np.arange(256)
    mean = (share * levels).sum(axis=1)
    below = np.cumsum(share, axis=1)
    return {
        "brightness": mean / 255,
        "contrast": np.sqrt((share * (levels - mean[:, None]) ** 2).sum(axis=1)) / 255,
        "dark": below[:, DARK - 1],
        "bright": np.maximum(0.0, 1 - below[:, BRIGHT - 1]),
        "low": (below < 0.05).sum(axis=1) / 255,
        "high": (below < 0.95).sum(axis=1) / 255,
    }


def _detail(grey: np.ndarray) -> dict[str, np.ndarray]:
    """From luminance [n, h, w] uint8."""
    count, height, width = grey.shape
    unknown = np.full(count, np.nan)
    if min(height, width) < 3:
        return {"sharpness": np.zeros(count), "blur": unknown, "noise": unknown}
    cv2 = opencv()
    # One tall image: what a filter makes of two images where they touch is left out.
    tall = grey.reshape(-1, width)
    laplacian = _inner(cv2.Laplacian(tall, cv2.CV_16S, ksize=1), grey.shape)
    sharpness = np.asarray([_variance(one) for one in laplacian]) / 255**2
    if min(height, width) <= REBLUR + 1:
        return {"sharpness": sharpness, "blur": unknown, "noise": unknown}
    residual = np.abs(_inner(cv2.filter2D(tall, cv2.CV_16S, _bent()), grey.shape)).reshape(count, -1)
    quarter = residual.shape[1] // 4
    residual.partition(quarter, axis=1)
    return {
        "sharpness": sharpness,
        "blur": np.maximum(_kept(grey), _kept(np.ascontiguousarray(grey.swapaxes(1, 2)))),
        "noise": residual[:, quarter] / (RESIDUAL * QUARTER * 255),
    }


def _variance(values: np.ndarray) -> float:
    _, deviation = opencv().meanStdDev(values)
    return float(deviation[0, 0]) ** 2


def _inner(tall: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The images of a tall one without their borders."""
    return np.asarray(tall).reshape(shape)[:, 1:-1, 1:-1]


def _kept(grey: np.ndarray) -> np.ndarray:
    """The share of the gradient along the second axis of [n, h, w] uint8 that a mean over REBLUR pixels leaves, [n]."""
    # What two means over neighbouring windows differ by is what enters less what leaves, a REBLUR-th of it.
    again = _apart(grey, REBLUR)
    before = np.ascontiguousarray(_apart(grey, 1))
    within = slice(REBLUR // 2, REBLUR // 2 + again.shape[1])
    total = REBLUR * _sum(before[:, within])
    # Eight bits stop at 255, and what is compared with them ends there.
    scaled = opencv().convertScaleAbs(before.reshape(-1, grey.shape[2]), alpha=REBLUR).reshape(before.shape)
    left = _sum(np.minimum(scaled[:, within], again))
    return np.where(total > 0, left / np.maximum(total, 1), 1.0)


def _apart(grey: np.ndarray, rows: int) -> np.ndarray:
    """How far apart pixels are that lie so many rows apart, [n, h - rows, w] uint8."""
    tall = grey.reshape(-1, grey.shape[2])
    apart = np.zeros_like(tall)
    opencv().absdiff(tall[rows:], tall[:-rows], dst=apart[:-rows])
    return apart.reshape(grey.shape)[:, : grey.shape[1] - rows]


def _sum(values: np.ndarray) -> np.ndarray:
    return np.asarray(values.sum(axis=(1, 2), dtype=np.int32))


@cache
def _bent() -> np.ndarray:
    """The second difference along one axis of that along the other."""
    bend = np.array([1, -2, 1], dtype=np.float32)
    return np.outer(bend, bend)


def _colours(small: np.ndarray) -> dict[str, np.ndarray]:
    """From [n, h, w, 3] uint8."""
    # Planes first: reductions over three neighbouring bytes are ten times slower than over whole planes.
    planes = np.ascontiguousarray(small.reshape(len(small), -1, 3).swapaxes(1, 2))
    high, low = planes.max(axis=1), planes.min(axis=1)
    spread = (high - low).astype(np.float32)
    wide = planes.astype(np.float32)
    red, green, blue = (wide.mean(axis=2, dtype=np.float32) / 255).T
    return {
        "saturation": (spread / np.maximum(high, 1)).mean(axis=1),
        "chroma": spread.max(axis=1) / 255,
        "red": red,
        "green": green,
        "blue": blue,
        "colour_spread": wide.std(axis=2).max(axis=1) / 255,
    }


@cache
def _cosines() -> np.ndarray:
    places = (np.arange(HASH_SIDE) + 0.5) * np.pi / HASH_SIDE
    return np.cos(np.arange(HASH_LOW)[:, None] * places[None])
