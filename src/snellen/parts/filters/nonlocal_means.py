"""Non-local means (Buades, Coll & Morel 2005; the fast form of Darbon et al. 2008), by scikit-image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# In grey levels of 255.
STRENGTHS = (3.0, 6.0, 10.0, 14.0, 18.0, 22.0, 28.0, 36.0)
NEEDS = ("skimage",)


def nonlocal_means(*, strength: float = 15.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(image [h, w, 3] float32 in 0..1) -> the same shape; `strength`: h, how unlike patches may be.

    Needs scikit-image (the extra `restoration`).
    """
    from skimage.restoration import denoise_nl_means

    def denoise(image: np.ndarray) -> np.ndarray:
        found = denoise_nl_means(
            image, patch_size=5, patch_distance=8, h=strength / 255, fast_mode=True, channel_axis=-1
        )
        return np.clip(np.asarray(found, dtype=np.float32), 0, 1)

    return denoise
