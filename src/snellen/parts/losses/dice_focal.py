"""Dice and focal loss together (SPEC T5; Zhu et al. 2019, "AnatomyNet", arXiv:1808.05238, eq. 3).

Dice weighs every class alike, however few its pixels; the pixel-wise part keeps the gradient alive where Dice's has vanished, and may
weigh the pixels at outlines more (Ronneberger et al. 2015, U-Net, arXiv:1505.04597, eq. 2; here within a fixed reach).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.losses._pixels import focal_pixels, mean_pixels, near_outline, soft_dice

TAKES = "pixels"


def dice_focal(
    *, dice: float = 1.0, focal: float = 1.0, gamma: float = 2.0, smooth: float = 1.0, weights: tuple[float, ...] = (),
    border: float = 0.0, reach: int = 2,
) -> Callable[[Tensor, Tensor], Tensor]:  # fmt: skip
    """Return loss(logits [n, k, h, w], target [n, h, w] class numbers, 255 not labelled) -> [n].

    `dice` and `focal` weigh the two parts; `gamma` 0 makes the second cross-entropy; `weights` [k] weigh its classes. In the
    second, pixels at most `reach` from another class count 1 + `border` times. Raises ValueError for one of these below 0.
    """
    if border < 0 or reach < 0:
        raise ValueError(f"dice_focal with border {border:g}, reach {reach}: expected 0 or more")
    by_class = torch.tensor(weights) if len(weights) else None

    def loss(output: Tensor, target: Tensor) -> Tensor:
        near = 1 + border * near_outline(target, reach) if border else None
        pixels = mean_pixels(focal_pixels(output, target, gamma, by_class), target, near)
        return dice * soft_dice(output, target, smooth) + focal * pixels

    return loss
