"""Wavelet shrinkage with a threshold for each band (BayesShrink: Chang, Yu & Vetterli 2000), by scikit-image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# The noise's sd in grey levels of 255.
STRENGTHS = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
NEEDS = ("skimage", "pywt")


def wavelet(*, strength: float = 25.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(image [h, w, 3] float32 in 0..1) -> the same shape; averaged over 2 × 2 shifts (cycle spinning).

    Needs scikit-image and PyWavelets (the extra `restoration`).
    """
    from skimage.restoration import denoise_wavelet

    def denoise(image: np.ndarray) -> np.ndarray:
        total = np.zeros_like(image)
        for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
            moved = np.roll(image, (down, right), axis=(0, 1))
            found = denoise_wavelet(
                moved, sigma=strength / 255, mode="soft", method="BayesShrink", convert2ycbcr=True, rescale_sigma=True, channel_axis=-1,
            )  # fmt: skip
            total += np.roll(found, (-down, -right), axis=(0, 1)).astype(np.float32)
        return np.clip(total / 4, 0, 1)

    return denoise
