"""Each channel stretched to its full range, as torchvision's `autocontrast` (Cubuk et al. 2019, "AutoAugment")."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._changes import Operation, some
from snellen.parts.augments._operations import autocontrast as stretched

KIND = "pixels"
DRAWS = 1


def autocontrast(*, chance: float = 0.5) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 1]) -> op(images [n, 3, h, w]), with `chance`."""

    def pixels(u: Tensor) -> Operation:
        return some(u[:, 0] < chance, stretched)

    return pixels
