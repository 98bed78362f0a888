"""Soft Dice of each image over the classes that it holds (SPEC L1; Milletari et al. 2016, "V-Net", arXiv:1606.04797, §3)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.losses._pixels import soft_dice

TAKES = "pixels"


def dice(*, smooth: float = 1.0) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(logits [n, k, h, w], target [n, h, w] class numbers, 255 not labelled) -> [n] in 0..1.

    `smooth` pixels are added above and below, so that a class of a few pixels does not make the gradient leap.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return soft_dice(output, target, smooth)

    return loss
