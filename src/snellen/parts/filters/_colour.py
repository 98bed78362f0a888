"""The orthonormal basis in which the colours of photographs hardly depend on each other."""

from __future__ import annotations

import numpy as np

# Brightness, red against blue, green against both: the DCT of three points. White noise stays white in it.
BASIS = np.asarray(
    [[1 / 3**0.5] * 3, [1 / 2**0.5, 0.0, -1 / 2**0.5], [1 / 6**0.5, -2 / 6**0.5, 1 / 6**0.5]], dtype=np.float32
)


def decorrelated(image: np.ndarray) -> np.ndarray:
    """[h, w, 3] → [3, h, w]."""
    return np.asarray(np.einsum("cd,hwd->chw", BASIS, image), dtype=np.float32)


def recombined(planes: np.ndarray) -> np.ndarray:
    """[3, h, w] → [h, w, 3]: the inverse."""
    return np.asarray(np.einsum("cd,chw->hwd", BASIS, planes), dtype=np.float32)
