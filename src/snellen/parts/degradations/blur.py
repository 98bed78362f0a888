"""Gaussian blur of a spread that is drawn for every image (Zhang et al. 2021, "BSRGAN", arXiv:2103.14006, §3.1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.degradations._blurred import blurred

DRAWS = 1
BEFORE_REDUCTION = True


def blur(*, low: float = 0.2, high: float = 2.0) -> Callable[[Tensor, Tensor], Tensor]:
    """Return f(images [n, 3, h, w], uniforms [n, 1]) -> the same shape; sd uniform in [low, high] pixels."""

    def degrade(images: Tensor, u: Tensor) -> Tensor:
        spreads = (low + (high - low) * u[:, 0]).tolist()
        return torch.stack([blurred(image, sd) if sd > 0 else image for image, sd in zip(images, spreads, strict=True)])

    return degrade
