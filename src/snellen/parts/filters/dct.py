"""Thresholded DCT of blocks at every shift: BM3D's first step with one block in each group.

Yu & Sapiro 2011, "DCT image denoising: a simple and effective image denoising algorithm", IPOL 1; Coifman & Donoho 1995,
"Translation-invariant de-noising". BM3D itself has no implementation under a permissive licence that we know of.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snellen.parts.filters._colour import decorrelated, recombined
from snellen.parts.filters._windows import at_every_shift

# In grey levels of 255; about three times the noise's sd is where coefficients are noise only.
STRENGTHS = (5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 100.0, 130.0, 160.0)
NEEDS = ()

BLOCK, STEP = 16, 4


def dct(*, strength: float = 75.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(image [h, w, 3] float32 in 0..1) -> the same shape; coefficients below `strength` / 255 become 0."""
    limit = strength / 255

    def keep(coefficients: np.ndarray) -> np.ndarray:
        kept = np.where(np.abs(coefficients) < limit, 0, coefficients)
        kept[..., 0, 0] = coefficients[..., 0, 0]
        return kept

    def denoise(image: np.ndarray) -> np.ndarray:
        planes = [at_every_shift(plane, keep, block=BLOCK, step=STEP) for plane in decorrelated(image)]
        return np.asarray(np.clip(recombined(np.stack(planes)), 0, 1))

    return denoise
