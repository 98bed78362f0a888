"""Shift by a share of the side (SPEC D8: 0.2); the edge is mirrored."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

KIND = "geometry"
DRAWS = 2


def shift(*, share: float = 0.2) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 2]) -> [n, 3, 3]; up to ±share of each side."""

    def geometry(u: Tensor) -> Tensor:
        matrix = torch.eye(3).repeat(len(u), 1, 1)
        # A share of the side is twice as much in coordinates that run from -1 to 1.
        matrix[:, :2, 2] = (2 * u - 1) * 2 * share
        return matrix

    return geometry
