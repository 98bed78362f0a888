"""Contrast about the image's own mean grey, as torchvision's `adjust_contrast` (SPEC D8: ±0.2)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._changes import Operation, between
from snellen.parts.augments._operations import contrast as spread

KIND = "pixels"
DRAWS = 1


def contrast(*, amount: float = 0.2) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 1]) -> op(images [n, 3, h, w]); a factor in 1 ± amount.

    `brightness_contrast` spreads about mid-grey instead: that is part of the one colour matrix and costs less."""

    def pixels(u: Tensor) -> Operation:
        factor = between(u[:, 0], 1 - amount, 1 + amount)
        return lambda images: spread(images, factor)

    return pixels
