"""Polynomial decay (SPEC L5, power 0.9; Liu et al. 2015, "ParseNet", §3.2)."""

from __future__ import annotations

from collections.abc import Callable


def poly(*, power: float = 0.9) -> Callable[[float], float]:
    """Return f(progress in [0, 1]) -> (1 - progress) ** power."""
    return lambda progress: (1 - min(max(progress, 0.0), 1.0)) ** power
