"""Rotation about the centre (SPEC D8: ±20°)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

KIND = "geometry"
DRAWS = 1


def rotate(*, degrees: float = 20.0) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 1]) -> [n, 3, 3]; an angle in ±degrees."""

    def geometry(u: Tensor) -> Tensor:
        angle = (2 * u[:, 0] - 1) * math.radians(degrees)
        matrix = torch.eye(3).repeat(len(u), 1, 1)
        matrix[:, 0, 0], matrix[:, 0, 1] = angle.cos(), -angle.sin()
        matrix[:, 1, 0], matrix[:, 1, 1] = angle.sin(), angle.cos()
        return matrix

    return geometry
