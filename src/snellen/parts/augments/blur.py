"""Gaussian blur, as torchvision's `gaussian_blur` (Chen et al. 2020, "SimCLR", appendix A: sd 0.1 to 2, chance 0.5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from torch import Tensor

from snellen.parts.augments._changes import Operation, between, some
from snellen.parts.augments._operations import blur as soften

KIND = "pixels"
DRAWS = 2


def blur(*, low: float = 0.1, high: float = 1.5, chance: float = 0.5) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 2]) -> op(images [n, 3, h, w]); an sd in [low, high] pixels, cut off at twice `high`."""
    radius = max(1, math.ceil(2 * high))

    def pixels(u: Tensor) -> Operation:
        return some(u[:, 0] < chance, partial(soften, radius=radius), between(u[:, 1], low, high))

    return pixels
