"""Brightness and contrast (SPEC D8: ±0.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

KIND = "colour"
DRAWS = 2


def brightness_contrast(*, brightness: float = 0.2, contrast: float = 0.2) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 2]) -> [n, 3, 4]; brightness scales the pixels, contrast spreads them about mid-grey."""

    def colour(u: Tensor) -> Tensor:
        light = 1 + (2 * u[:, 0] - 1) * brightness
        spread = 1 + (2 * u[:, 1] - 1) * contrast
        matrix = torch.zeros(len(u), 3, 4)
        matrix[:, :, :3] = torch.eye(3) * (light * spread)[:, None, None]
        matrix[:, :, 3] = (0.5 * (1 - spread))[:, None]
        return matrix

    return colour
