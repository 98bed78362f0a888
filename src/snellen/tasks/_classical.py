"""The best classical filter of the shelf, its strength tuned on training images: what a denoising network must beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from snellen.shelf import FILTERS
from snellen.tasks._image_scores import psnr
from snellen.values import SnellenError

# A filter is judged on the middle of images: strengths do not depend on the size.
SIDE = 128


@dataclass(frozen=True, slots=True)
class Tuned:
    """A filter at the strength that was best for it, with its mean PSNR in dB on the images that it was tuned on."""

    name: str
    strength: float
    psnr: float

    def filter(self) -> Callable[[np.ndarray], np.ndarray]:
        """f(image [h, w, 3] float32 in 0..1) -> the same shape."""
        found: Callable[[np.ndarray], np.ndarray] = FILTERS.build(self.name, {"strength": self.strength})
        return found


def available() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Filters that can run here, and those whose library is not installed."""
    every = FILTERS.names()
    there = tuple(name for name in every if all(find_spec(library) for library in FILTERS.constant(name, "NEEDS")))
    return there, tuple(name for name in every if name not in there)


def tune(given: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> tuple[Tuned, ...]:
    """Every filter at its best strength, the best filter first; images [h, w, 3] float32 in 0..1, of training.

    Strengths are tried upwards until one is worse than the two before it. Raises SnellenError without images.
    """
    if not given:
        raise SnellenError("there are no training images to tune the classical filters on")
    pairs = [(_middle(one), _middle(other)) for one, other in zip(given, wanted, strict=True)]
    found = [_tuned(name, pairs) for name in available()[0]]
    return tuple(sorted(found, key=lambda tuned: -tuned.psnr))


def _tuned(name: str, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Tuned:
    tried: list[Tuned] = []
    strengths: Any = FILTERS.constant(name, "STRENGTHS")
    for strength in strengths:
        denoise = FILTERS.build(name, {"strength": strength})
        score = float(np.mean([psnr(denoise(noisy), clean) for noisy, clean in pairs]))
        tried.append(Tuned(name, float(strength), score))
        if len(tried) > 2 and score < min(tried[-2].psnr, tried[-3].psnr):
            break
    return max(tried, key=lambda tuned: tuned.psnr)


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, (length - SIDE) // 2) for length in image.shape[:2])
    return np.ascontiguousarray(image[top : top + SIDE, left : left + SIDE])
