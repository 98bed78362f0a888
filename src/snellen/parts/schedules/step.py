"""Step decay: times `factor` after every `every` of the stage (SPEC L5: ×0.1 every 30 of 90 epochs)."""

from __future__ import annotations

import math
from collections.abc import Callable


def step(*, factor: float = 0.1, every: float = 0.34) -> Callable[[float], float]:
    """Return f(progress in [0, 1]) -> factor ** (number of steps passed)."""
    return lambda progress: factor ** math.floor(min(max(progress, 0.0), 1.0) / every)
