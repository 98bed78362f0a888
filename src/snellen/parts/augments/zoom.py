"""Zoom in or out about the centre (SPEC D8: 0.2); the edge is mirrored."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

KIND = "geometry"
DRAWS = 1


def zoom(*, share: float = 0.2) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 1]) -> [n, 3, 3]; scale in [1 - share, 1 + share]."""

    def geometry(u: Tensor) -> Tensor:
        scale = 1 + (2 * u[:, 0] - 1) * share
        matrix = torch.eye(3).repeat(len(u), 1, 1)
        matrix[:, 0, 0] = matrix[:, 1, 1] = scale
        return matrix

    return geometry
