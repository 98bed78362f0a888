"""Cross-entropy of every labelled pixel, averaged by image, with weights of classes (SPEC L1)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.losses._pixels import focal_pixels, mean_pixels

TAKES = "pixels"


def pixel_cross_entropy(*, weights: tuple[float, ...] = ()) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(logits [n, k, h, w], target [n, h, w] class numbers, 255 not labelled) -> [n]; `weights` [k] by class."""
    by_class = torch.tensor(weights) if len(weights) else None

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return mean_pixels(focal_pixels(output, target, 0.0, by_class), target)

    return loss
