"""Invert what is bright, as torchvision's `solarize` (Cubuk et al. 2019, "AutoAugment")."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._changes import Operation, between, some
from snellen.parts.augments._operations import solarize as negative

KIND = "pixels"
DRAWS = 2


def solarize(*, low: float = 0.5, chance: float = 0.2) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 2]) -> op(images [n, 3, h, w]); values from a threshold in [low, 1] on, with `chance`."""

    def pixels(u: Tensor) -> Operation:
        return some(u[:, 0] < chance, negative, between(u[:, 1], low, 1.0))

    return pixels
