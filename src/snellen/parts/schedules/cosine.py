"""Half a cosine from the peak down to the floor (SPEC L5; Loshchilov & Hutter 2017, "SGDR", eq. 5 with one cycle)."""

from __future__ import annotations

import math
from collections.abc import Callable


def cosine(*, floor: float = 0.0) -> Callable[[float], float]:
    """Return f(progress in [0, 1]) -> multiplier in [floor, 1]."""
    return lambda progress: floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0)))
