"""Median filter (Tukey 1977, "Exploratory Data Analysis")."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import median_filter

STRENGTHS = (3, 5)
NEEDS = ()


def median(*, strength: float = 3) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(image [h, w, 3] float32 in 0..1) -> the same shape; `strength`: side of the window in pixels."""
    side = int(strength)

    def denoise(image: np.ndarray) -> np.ndarray:
        return np.asarray(median_filter(image, size=(side, side, 1), mode="nearest"))

    return denoise
