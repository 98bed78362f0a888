"""Learning rate of the stage's first parameter group."""

from __future__ import annotations

from typing import Any


def rate(epoch: Any) -> dict[str, Any]:
    """Rate at the epoch's last step, and the highest of the epoch."""
    rates = [step["lr"] for step in epoch.steps]
    return {"lr": rates[-1], "peak": max(rates)}
