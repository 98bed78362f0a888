"""Charbonnier loss, an L1 that is smooth at zero (SPEC L1; Lai et al. 2017, "LapSRN", arXiv:1704.03915, §3.2)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.losses._images import difference, per_sample

TASKS = ("super_resolution", "denoising")
TAKES = "images"


def charbonnier(*, epsilon: float = 1e-3) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(output [n, ...], target [n, ...]) -> [n]: the mean of sqrt(d² + ε²) - ε, so that equal images have 0.

    `epsilon` in units of the pixels (0..1). Raises ValueError where shapes differ.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return per_sample((difference(output, target).square() + epsilon**2).sqrt() - epsilon)

    return loss
