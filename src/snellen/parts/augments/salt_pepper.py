"""Salt-and-pepper noise (SPEC D8)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.augments._noise import streams

KIND = "pixels"
DRAWS = 2


def salt_pepper(*, share: float = 0.02) -> Callable[[Tensor], Callable[[Tensor], Tensor]]:
    """Return f(uniforms [n, 2]) -> op(images [n, 3, h, w]); up to `share` of the pixels become black or white."""

    def pixels(u: Tensor) -> Callable[[Tensor], Tensor]:
        def op(images: Tensor) -> Tensor:
            noise = streams(u[:, 0], (1, *images.shape[2:]), normal=False)
            half = (u[:, 1] * share / 2)[:, None, None, None]
            images = torch.where(noise < half, torch.zeros_like(images), images)
            return torch.where(noise > 1 - half, torch.ones_like(images), images)

        return op

    return pixels
