"""Mean absolute difference of images (SPEC L1; Zhao et al. 2017, "Loss Functions for Image Restoration", arXiv:1511.08861)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.losses._images import difference, per_sample

TASKS = ("super_resolution", "denoising")
TAKES = "images"


def l1() -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(output [n, ...], target [n, ...]) -> [n]; raises ValueError where shapes differ."""

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return per_sample(difference(output, target).abs())

    return loss
