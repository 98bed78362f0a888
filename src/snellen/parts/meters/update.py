"""How far a step moves the weights, beside how large they are, by section of the network (SPEC S4, S5)."""

from __future__ import annotations

from typing import Any

import numpy as np


def update(epoch: Any) -> dict[str, Any] | None:
    """Median over the epoch's steps that were measured (one in ten) of norm(step) / norm(weights); None where none was."""
    known = [step["update"] for step in epoch.steps if "update" in step]
    if not known:
        return None
    groups = {name: float(np.median([step[name] for step in known])) for name in known[0]}
    return {"groups": groups, "n": len(known)}
