"""Fewer levels, as torchvision's `posterize` (Cubuk et al. 2019, "AutoAugment": 4 to 8 bits)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._changes import Operation, between, some
from snellen.parts.augments._operations import posterize as fewer

KIND = "pixels"
DRAWS = 2


def posterize(*, bits: int = 4, chance: float = 0.5) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 2]) -> op(images [n, 3, h, w]); `bits` to 7 of the 8 bits of a value are kept, with `chance`."""

    def pixels(u: Tensor) -> Operation:
        kept = between(u[:, 1], bits, 8).floor()
        return some(u[:, 0] < chance, fewer, kept)

    return pixels
