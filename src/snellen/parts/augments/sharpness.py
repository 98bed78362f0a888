"""Softer or sharper, as torchvision's `adjust_sharpness` (the enhancement of Pillow; Cubuk et al. 2019, "AutoAugment")."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._changes import Operation, between, some
from snellen.parts.augments._operations import sharpen

KIND = "pixels"
DRAWS = 2


def sharpness(*, low: float = 0.5, high: float = 2.0, chance: float = 0.5) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 2]) -> op(images [n, 3, h, w]); a factor in [low, high]: 0 smooth, 1 as it is, 2 sharpened."""

    def pixels(u: Tensor) -> Operation:
        return some(u[:, 0] < chance, sharpen, between(u[:, 1], low, high))

    return pixels
