"""What is measured of every image when it is decoded: numbers that audit rules read.

Detail and tones come from one luminance image of moderate size, the look, which is never larger than the image itself: pixels
that were made up would look blurred. Colour, hash and thumbnail come from the square that is stored anyway. So measuring costs
a fraction of decoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
from PIL import Image

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

# What `measure` gives as one number each; columns of the catalog.
NUMBERS = (
    "brightness", "contrast", "dark", "bright", "low", "high", "saturation", "chroma", "red", "green", "blue",
    "sharpness", "blur", "noise",
)  # fmt: skip


def measure(image: Any, square: Any) -> dict[str, Any]:
    """Measure an RGB image (Pillow), and the same squashed to the square that is stored.

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
    look = _look(image, square)
    small = _Small.of(square)
    return {
        **_tones(look),
        **_detail(np.asarray(look).astype(np.int16)),
        **_colours(np.asarray(small.image)),
        "phash": _phash(small),
        "thumb": small.thumb(),
    }


def thumb(image: Any) -> np.ndarray:
    """A Pillow image squashed to 12x12, as [432] uint8."""
    return _Small.of(image.convert("RGB")).thumb()


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

    def thumb(self) -> np.ndarray:
        """Means over 12x12 equal parts, [432] uint8. Pillow's box filter takes whole pixels only, which moves edges by half of one."""
        pixels = np.asarray(self.image.convert("RGB"), dtype=np.float32)
        down, across = _shares(pixels.shape[0], self.box[3]), _shares(pixels.shape[1], self.box[2])
        rows = (down @ pixels.reshape(len(pixels), -1)).reshape(THUMB, -1, 3)
        return np.asarray(np.rint(across @ rows), dtype=np.uint8).reshape(-1)

    def squashed(self, side: int, how: Any, mode: str = "RGB") -> np.ndarray:
        return np.asarray(self.image.convert(mode).resize((side, side), how, box=self.box))


@lru_cache(maxsize=256)
def _shares(count: int, length: float) -> np.ndarray:
    """How much of each of THUMB equal parts of `length` lies in each of `count` pixels: [THUMB, count] float32, rows add up to 1."""
    edges = np.linspace(0, length, THUMB + 1)
    pixels = np.arange(count)
    common = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    common = np.clip(common, 0, None)
    return np.asarray(common / common.sum(axis=1, keepdims=True), dtype=np.float32)


def _phash(small: _Small) -> int:
    """Signs of the 8x8 lowest DCT frequencies of the 32x32 luminance against their median."""
    values = small.squashed(HASH_SIDE, Image.Resampling.BILINEAR, "L").astype(np.float64)
    basis = _cosines()
    low = (basis @ values @ basis.T).reshape(-1)
    bits = low > np.median(low)
    return int(np.packbits(bits).view(">u8")[0].astype(np.uint64).view(np.int64))


def _look(image: Any, square: Any) -> Any:
    """Luminance at the scale of LOOK: the square's where it has enough pixels and none were made up, else the image's."""
    short, long = sorted(image.size)
    if min(short, *square.size) >= LOOK:
        return square.convert("L").resize((LOOK, LOOK), Image.Resampling.BOX)
    side = min(LOOK, short)
    size = (round(side * min(long / short, LONGEST)), side)
    return image.convert("L").resize(size if image.width >= image.height else size[::-1], Image.Resampling.BOX)


def _tones(look: Any) -> dict[str, float]:
    counts = np.asarray(look.histogram(), dtype=np.float64)
    share = counts / counts.sum()
    levels = np.arange(256)
    mean = float(share @ levels)
    below = np.cumsum(share)
    return {
        "brightness": mean / 255,
        "contrast": float(np.sqrt(max(0.0, share @ (levels - mean) ** 2))) / 255,
        "dark": float(below[DARK - 1]),
        "bright": max(0.0, float(1 - below[BRIGHT - 1])),
        "low": float(np.searchsorted(below, 0.05)) / 255,
        "high": float(np.searchsorted(below, 0.95)) / 255,
    }


def _detail(grey: np.ndarray) -> dict[str, float]:
    """From luminance [h, w] int16."""
    if min(grey.shape) < 3:
        return {"sharpness": 0.0, "blur": float("nan"), "noise": float("nan")}
    rows = _bend(grey)
    laplacian = (rows[:, 1:-1] + _bend(grey[1:-1].T).T).astype(np.float32).reshape(-1)
    sharpness = max(0.0, float(laplacian @ laplacian / len(laplacian) - laplacian.mean() ** 2)) / 255**2
    if min(grey.shape) <= REBLUR + 1:
        return {"sharpness": sharpness, "blur": float("nan"), "noise": float("nan")}
    residual = np.abs(_bend(rows.T)).reshape(-1)
    quarter = len(residual) // 4
    return {
        "sharpness": sharpness,
        "blur": max(_kept(grey), _kept(grey.T)),
        "noise": float(np.partition(residual, quarter)[quarter]) / (RESIDUAL * QUARTER * 255),
    }


def _bend(grey: np.ndarray) -> np.ndarray:
    """Second difference along the first axis."""
    return np.asarray(grey[2:] + grey[:-2] - 2 * grey[1:-1])


def _kept(grey: np.ndarray) -> float:
    """The share of the gradient along the first axis that a mean over REBLUR pixels leaves."""
    # What two means over neighbouring windows differ by is what enters less what leaves.
    again = np.abs(grey[REBLUR:] - grey[:-REBLUR])
    middle = grey[REBLUR // 2 : REBLUR // 2 + len(again) + 1]
    before = REBLUR * np.abs(middle[1:] - middle[:-1])
    total = _sum(before)
    return _sum(np.minimum(before, again)) / total if total else 1.0


def _sum(values: np.ndarray) -> int:
    return int(values.sum(dtype=np.int32))


def _colours(small: np.ndarray) -> dict[str, float]:
    # Planes first: reductions over three neighbouring bytes are ten times slower than over whole planes.
    planes = np.ascontiguousarray(small.reshape(-1, 3).T)
    high, low = planes.max(axis=0), planes.min(axis=0)
    spread = (high - low).astype(np.float32)
    wide = planes.astype(np.float32)
    red, green, blue = (wide.mean(axis=1) / 255).tolist()
    return {
        "saturation": float((spread / np.maximum(high, 1)).mean()),
        "chroma": float(spread.max()) / 255,
        "red": red,
        "green": green,
        "blue": blue,
        "colour_spread": float(wide.std(axis=1).max()) / 255,
    }


@cache
def _cosines() -> np.ndarray:
    places = (np.arange(HASH_SIDE) + 0.5) * np.pi / HASH_SIDE
    return np.cos(np.arange(HASH_LOW)[:, None] * places[None])
