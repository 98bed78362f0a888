"""Additive white Gaussian noise: the degradation that denoising is measured on (Zhang et al. 2017, DnCNN, arXiv:1608.03981)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

DRAWS = 3
BEFORE_REDUCTION = False

# A draw has 24 bits.
BITS = 2**24


def gaussian(*, low: float = 25.0, high: float = 25.0) -> Callable[[Tensor, Tensor], Tensor]:
    """Return f(images [n, 3, h, w] in 0..1, uniforms [n, 3]) -> the same shape, clipped to 0..1 as every file is.

    The sd is uniform in [low, high] grey levels of 255. An image's noise depends on its own draws and its shape only:
    they are the key of a counter-based generator (Philox; Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3").
    """

    def degrade(images: Tensor, u: Tensor) -> Tensor:
        sd = (low + (high - low) * u[:, 0]) / 255
        noise = torch.stack([_noise(tuple(images.shape[1:]), key) for key in u[:, 1:].tolist()])
        return (images + noise * sd[:, None, None, None]).clamp_(0, 1)

    return degrade


def _noise(shape: tuple[int, ...], key: Sequence[float]) -> Tensor:
    number = int(key[0] * BITS) * BITS + int(key[1] * BITS)
    generator = np.random.Generator(np.random.Philox(key=number))
    return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
