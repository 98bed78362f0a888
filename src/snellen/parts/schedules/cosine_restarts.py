"""Cosine annealing with warm restarts (SPEC L5, M3; Loshchilov & Hutter 2017, "SGDR", eq. 5)."""

from __future__ import annotations

import math
from collections.abc import Callable


def cosine_restarts(*, cycles: int = 2, floor: float = 0.0) -> Callable[[float], float]:
    """Return f(progress in [0, 1]) -> multiplier in [floor, 1]; `cycles` equal cycles, each from the peak to the floor."""

    def multiplier(progress: float) -> float:
        place = min(max(progress, 0.0), 1.0) * cycles
        # The very end belongs to the last cycle: a run never ends on a fresh peak.
        within = 1.0 if place >= cycles else place - math.floor(place)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * within))

    return multiplier
