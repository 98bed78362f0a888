"""Horizontal flip (SPEC D8)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

KIND = "geometry"
DRAWS = 1


def flip(*, chance: float = 0.5) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 1]) -> [n, 3, 3], the map from output to input coordinates in -1..1."""

    def geometry(u: Tensor) -> Tensor:
        matrix = torch.eye(3).repeat(len(u), 1, 1)
        matrix[:, 0, 0] = torch.where(u[:, 0] < chance, -1.0, 1.0)
        return matrix

    return geometry
