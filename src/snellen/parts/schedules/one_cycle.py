"""One cycle: up to the peak, then down to almost nothing (SPEC L5; Smith & Topin 2018, "Super-Convergence")."""

from __future__ import annotations

import math
from collections.abc import Callable


def one_cycle(*, rise: float = 0.3, start: float = 0.04, floor: float = 0.0003) -> Callable[[float], float]:
    """Return f(progress in [0, 1]) -> multiplier: from `start` to 1 over the share `rise`, then to `floor`, by cosines."""

    def multiplier(progress: float) -> float:
        progress = min(max(progress, 0.0), 1.0)
        if progress < rise:
            low, high, within = start, 1.0, progress / rise
        else:
            low, high, within = 1.0, floor, (progress - rise) / (1 - rise)
        return low + (high - low) * 0.5 * (1 - math.cos(math.pi * within))

    return multiplier
