"""What is measured of every image when it is decoded: numbers that audit rules read."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from PIL import Image

# Side in pixels to which the shorter side is brought before looking, so that sharpness compares between sizes.
LOOK = 128
# A strip of 10 x 50,000 must not become 128 x 640,000: the longer side is at most this many times the shorter.
LONGEST = 8
THUMB = 12
HASH_SIDE = 32
HASH_LOW = 8


def measure(image: Any, aspect: float) -> dict[str, Any]:
    """Measure an RGB image (Pillow).

    brightness and contrast: mean and standard deviation of luminance, 0..1. saturation: mean (max-min)/max, 0..1.
    sharpness: variance of the 4-neighbour Laplacian of luminance. phash: 64-bit DCT hash as int64. thumb: 12x12x3
    bytes. colour_spread: largest standard deviation of a channel, 0..1.
    """
    look = image.resize(_look_size(aspect), Image.Resampling.BILINEAR, reducing_gap=3.0)
    # Channels first: reductions over three neighbouring bytes are ten times slower than over whole planes.
    planes = np.ascontiguousarray(np.asarray(look).transpose(2, 0, 1), dtype=np.float32) / 255
    grey = luminance(planes)
    return {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "saturation": _saturation(planes),
        "sharpness": _sharpness(grey),
        "phash": phash(image),
        "thumb": thumb(image),
        "colour_spread": float(planes.reshape(3, -1).std(axis=1).max()),
    }


def luminance(planes: np.ndarray) -> np.ndarray:
    """ITU-R 601 luminance of red, green and blue planes [3, ...]."""
    red, green, blue = planes
    return np.asarray(0.299 * red + 0.587 * green + 0.114 * blue)


def phash(image: Any) -> int:
    """64-bit perceptual hash: signs of the 8x8 lowest DCT frequencies of the 32x32 luminance against their median."""
    grey = np.asarray(image.convert("L").resize((HASH_SIDE, HASH_SIDE), Image.Resampling.BILINEAR), dtype=np.float64)
    basis = _cosines()
    low = (basis @ grey @ basis.T).reshape(-1)
    bits = low > np.median(low)
    return int(np.packbits(bits).view(">u8")[0].astype(np.uint64).view(np.int64))


def thumb(image: Any) -> np.ndarray:
    """The image squashed to 12x12, as [432] uint8."""
    small = image.resize((THUMB, THUMB), Image.Resampling.BOX, reducing_gap=3.0)
    return np.asarray(small, dtype=np.uint8).reshape(-1)


def _look_size(aspect: float) -> tuple[int, int]:
    longer = round(LOOK * min(max(aspect, 1 / aspect), LONGEST))
    return (longer, LOOK) if aspect >= 1 else (LOOK, longer)


def _saturation(planes: np.ndarray) -> float:
    red, green, blue = planes
    high = np.maximum(np.maximum(red, green), blue)
    spread = high - np.minimum(np.minimum(red, green), blue)
    return float(np.divide(spread, high, out=np.zeros_like(high), where=high > 0).mean())


def _sharpness(grey: np.ndarray) -> float:
    inner = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner).var())


@cache
def _cosines() -> np.ndarray:
    places = (np.arange(HASH_SIDE) + 0.5) * np.pi / HASH_SIDE
    return np.cos(np.arange(HASH_LOW)[:, None] * places[None])
