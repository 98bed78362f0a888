"""Mean squared difference of images: what PSNR is made of (SPEC L1)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.losses._images import difference, per_sample

TASKS = ("super_resolution", "denoising")
TAKES = "images"


def l2() -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(output [n, ...], target [n, ...]) -> [n]; raises ValueError where shapes differ."""

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return per_sample(difference(output, target).square())

    return loss
