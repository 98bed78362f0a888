"""Gradient norm before clipping: whole network and by section, mean and variance over the epoch's steps (SPEC S4)."""

from __future__ import annotations

from typing import Any

import numpy as np

KEPT = 200


def gradient(epoch: Any) -> dict[str, Any]:
    """Euclidean norms; `norms` keeps at most 200 of the epoch's steps, evenly thinned."""
    total = np.asarray([step["norm"] for step in epoch.steps])
    groups = {
        name: _spread(np.asarray([step["groups"][name] for step in epoch.steps])) for name in epoch.steps[0]["groups"]
    }
    thin = np.unique(np.linspace(0, len(total) - 1, min(len(total), KEPT)).round().astype(int))
    return {
        "total": {**_spread(total), "first": float(total[0]), "last": float(total[-1]), "max": float(total.max())},
        "groups": groups,
        "clipped": float(np.mean([step["clipped"] for step in epoch.steps])),
        "norms": [round(float(value), 6) for value in total[thin]],
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    return {"mean": float(values.mean()), "variance": float(values.var())}
