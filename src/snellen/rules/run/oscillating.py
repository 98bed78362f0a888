"""What it does
Finds a last stage whose training loss goes up and down from epoch to epoch instead of down: at least two thirds of the
steps between epochs turn back, by more than 15 % of the level, and the end is no better than the middle.

Why it matters
The steps jump from one side of the valley to the other. At a lower rate the same weights slide down between them.

Known problems
A very small training subset, or few batches in an epoch, make the curve rough by chance: the swings of both sides must be
large, and at least six epochs are wanted. Warm restarts swing on purpose, once a cycle.

Source
SPEC S4, S5; Y. LeCun et al. 1998, Efficient BackProp, section 4.1 (a rate above twice the inverse curvature oscillates).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snellen.rules.curves import last_stage, needed, numbers, told
from snellen.run import Run
from snellen.values import Finding


def oscillating(
    run: Run, *, turns: float = 0.66, swing: float = 0.15, epochs: int = 6, least: float = 0.1, progress: float = 0.1
) -> list[Finding]:
    """Find a training loss that swings.

    `turns`: share of the steps between epochs that turn back. `swing`: median size of a step, relative to the median
    loss. `least`: share of the first loss below which the curve is noise. `progress`: relative fall from the first to
    the last third that speaks against it.
    """
    items = last_stage(run.signals("loss"))
    needed(items, "train")
    curve = np.asarray(numbers(items, "train"))
    if len(curve) < epochs or not np.isfinite(curve).all() or not np.median(curve) > max(0.0, least * curve[0]):
        return []
    turned, size = _turns(curve), float(np.median(np.abs(np.diff(curve))) / np.median(curve))
    third = len(curve) // 3
    fell = 1 - float(np.median(curve[-third:])) / max(float(np.median(curve[third : 2 * third])), 1e-12)
    if turned < turns or size < swing or fell > progress:
        return []
    message = (
        f"The training loss swings: {turned:.0%} of the steps between the {len(curve)} epochs turn back (limit {turns:.0%}), by "
        f"{size:.0%} of its level of {np.median(curve):.3g} (limit {swing:.0%})."
    )
    evidence = {
        "turns": turned,
        "swing": size,
        "limit": swing,
        "turn_limit": turns,
        "excess": size / swing,
        "epochs": len(curve),
        "level": float(np.median(curve)),
        "stage": items[-1]["stage"],
        "lr": told(run, "optim.lr"),
    }
    return [Finding(rule="oscillating", severity="warn", message=message, evidence=evidence)]


def _turns(curve: np.ndarray) -> float:
    """Share of the neighbouring steps that go opposite ways."""
    steps = np.diff(curve)
    return float(np.mean(steps[1:] * steps[:-1] < 0))


def _run(train: Sequence[float], stage: str = "all") -> list[dict[str, Any]]:
    return [{"meter": "loss", "stage": stage, "train": x, "val": x + 0.1} for x in train]


FIRES = (
    {"signals": _run([1.5, 0.8, 1.3, 0.7, 1.2, 0.8, 1.4, 0.7]), "recipe": {"optim.lr": 5e-3}},
    {"signals": _run([0.6, 0.4], "head") + _run([0.9, 0.5, 1.1, 0.6, 1.1, 0.6], "all")},
)
SILENT = (
    {"signals": _run([1.5, 1.1, 0.8, 0.6, 0.5, 0.45, 0.42, 0.4])},
    # Small swings on the way down.
    {"signals": _run([1.5, 1.0, 1.05, 0.8, 0.82, 0.6, 0.62, 0.5])},
    # Learned: what is left is noise.
    {"signals": _run([1.0, 0.3, 0.05, 0.02, 0.04, 0.01, 0.03, 0.01, 0.03])},
    # Swings that end in a lower place.
    {"signals": _run([2.0, 1.2, 1.6, 0.9, 1.2, 0.6, 0.8, 0.4, 0.5])},
    # Two cycles with a warm restart.
    {"signals": _run([1.2, 0.8, 0.6, 0.5, 0.8, 0.6, 0.45, 0.4])},
    {"signals": _run([1.5, 0.7, 1.4])},
)
