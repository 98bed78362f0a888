"""Hue and saturation as a linear map of RGB (SPEC D8: hue ±15°, saturation 0.8–1.2; Haeberli 1993, "Matrix Operations")."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

KIND = "colour"
DRAWS = 2
LUMA = (0.299, 0.587, 0.114)


def hue_saturation(*, hue: float = 15.0, low: float = 0.8, high: float = 1.2) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 2]) -> [n, 3, 4]; hue turns in ±hue degrees about the grey axis, saturation in [low, high]."""

    def colour(u: Tensor) -> Tensor:
        angle = ((2 * u[:, 0] - 1) * math.radians(hue))[:, None, None]
        grow = (low + (high - low) * u[:, 1])[:, None, None]
        third = torch.full((3, 3), 1 / 3)
        cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
        # Rodrigues' rotation about (1, 1, 1).
        turn = angle.cos() * torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * third
        grey = torch.tensor(LUMA).expand(3, 3)
        matrix = torch.zeros(len(u), 3, 4)
        matrix[:, :, :3] = (grow * torch.eye(3) + (1 - grow) * grey) @ turn
        return matrix

    return colour
