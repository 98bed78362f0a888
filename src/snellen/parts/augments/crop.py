"""Random resized crop: a share of the area, with the sides' ratio jittered (SPEC D8: 0.8–1.0; Szegedy et al. 2015, §6)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

KIND = "geometry"
DRAWS = 4


def crop(*, low: float = 0.8, high: float = 1.0, ratio: float = 1.333) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 4]) -> [n, 3, 3]; area share in [low, high], side ratio in [1/ratio, ratio], inside the image."""

    def geometry(u: Tensor) -> Tensor:
        area = low + (high - low) * u[:, 0]
        skew = torch.exp((2 * u[:, 1] - 1) * math.log(ratio) / 2)
        # A ratio that would leave the image is cut to the image's edge.
        width = (area.sqrt() * skew).clamp(max=1.0)
        height = (area.sqrt() / skew).clamp(max=1.0)
        matrix = torch.eye(3).repeat(len(u), 1, 1)
        matrix[:, 0, 0], matrix[:, 1, 1] = width, height
        matrix[:, 0, 2] = (2 * u[:, 2] - 1) * (1 - width)
        matrix[:, 1, 2] = (2 * u[:, 3] - 1) * (1 - height)
        return matrix

    return geometry
