"""Rotation about the centre (SPEC D8: ±20°)."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._matrices import turned

KIND = "geometry"
DRAWS = 1


def rotate(*, degrees: float = 20.0) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 1]) -> [n, 3, 3]; an angle in ±degrees."""

    def geometry(u: Tensor) -> Tensor:
        return turned((2 * u[:, 0] - 1) * math.radians(degrees))

    return geometry
