"""Dice and focal loss together (SPEC T5; Zhu et al. 2019, "AnatomyNet", arXiv:1808.05238, eq. 3).

Dice weighs every class alike, however few its pixels; the pixel-wise part keeps the gradient alive where Dice's has vanished.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.losses._pixels import focal_pixels, mean_pixels, soft_dice

TAKES = "pixels"


def dice_focal(
    *, dice: float = 1.0, focal: float = 1.0, gamma: float = 2.0, smooth: float = 1.0, weights: tuple[float, ...] = ()
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(logits [n, k, h, w], target [n, h, w] class numbers, 255 not labelled) -> [n].

    `dice` and `focal` weigh the two parts; `gamma` 0 makes the second cross-entropy; `weights` [k] weigh its classes.
    """
    by_class = torch.tensor(weights) if len(weights) else None

    def loss(output: Tensor, target: Tensor) -> Tensor:
        pixels = mean_pixels(focal_pixels(output, target, gamma, by_class), target)
        return dice * soft_dice(output, target, smooth) + focal * pixels

    return loss
