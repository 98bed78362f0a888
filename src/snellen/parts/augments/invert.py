"""The negative, as torchvision's `invert` (Cubuk et al. 2019, "AutoAugment")."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._matrices import inverted

KIND = "colour"
DRAWS = 1


def invert(*, chance: float = 0.1) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 1]) -> [n, 3, 4], with `chance`."""
    return lambda u: inverted(u[:, 0] < chance)
