"""Equal use of all levels of each channel, as torchvision's `equalize` (Cubuk et al. 2019, "AutoAugment")."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._changes import Operation, some
from snellen.parts.augments._operations import equalize as levelled

KIND = "pixels"
DRAWS = 1


def equalize(*, chance: float = 0.2) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 1]) -> op(images [n, 3, h, w]), with `chance`."""

    def pixels(u: Tensor) -> Operation:
        return some(u[:, 0] < chance, levelled)

    return pixels
