"""Gaussian noise (SPEC D8)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._changes import Operation
from snellen.parts.augments._noise import streams

KIND = "pixels"
DRAWS = 2


def gaussian_noise(*, sd: float = 0.05) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 2]) -> op(images [n, 3, h, w] in 0..1); the sd of a sample is uniform in [0, sd]."""

    def pixels(u: Tensor) -> Operation:
        def op(images: Tensor) -> Tensor:
            noise = streams(u[:, 0], tuple(images.shape[1:]), normal=True)
            return images.add_(noise.mul_((u[:, 1] * sd)[:, None, None, None])).clamp_(0, 1)

        return op

    return pixels
