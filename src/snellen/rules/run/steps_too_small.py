"""What it does
Finds a stage that trains more than the head and moves no section of the trunk by more than a millionth of its size in a typical
step of any epoch, while the training loss stays above half of guessing.

Why it matters
About a thousandth is usual. At a millionth, ten thousand steps change the weights by a hundredth: the stage costs its whole
time and trains nothing.

Known problems
A stage meant to touch the trunk only lightly can look so; then the head has learned, and the loss is low.

Source
SPEC S4, S5; the ratio of updates to weights: A. Karpathy, CS231n, Neural networks 3; F. Schneider et al., arXiv:2102.06604 (Cockpit).
"""

from __future__ import annotations

from typing import Any

from snellen.rules.curves import by_stage, numbers, optional, told, unlearned
from snellen.run import Run
from snellen.values import Finding


def steps_too_small(run: Run, *, limit: float = 1e-6, loss: float = 0.5) -> list[Finding]:
    """Find the first stage whose trunk stands still.

    `limit`: norm of a step over norm of the weights. `loss`: share of the loss of guessing above which a model has not
    learned.
    """
    losses = {item["epoch"]: item.get("train") for item in optional(run, "loss")}
    for stage, items in by_stage(run.signals("update")):
        known = [float(value) for item in items if (value := losses.get(item["epoch"])) is not None]
        names = [name for name in items[-1]["groups"] if name != "head"]
        # Schedules begin and end near zero: the epoch that moves most counts.
        most = {name: max(numbers([item["groups"] for item in items], name)) for name in names}
        if most and known and known[-1] > loss * unlearned(run) and max(most.values()) < limit:
            return [_finding(run, stage, most, limit, known[-1], len(items))]
    return []


def _finding(run: Run, stage: str, most: dict[str, float], limit: float, train: float, epochs: int) -> Finding:
    section = max(most, key=lambda name: most[name])
    message = (
        f"No step of the {epochs} epochs of stage {stage!r} moves the trunk by more than {most[section]:.1g} of its size (limit "
        f"{limit:g}; 0.001 is usual), and the training loss is still {train:.2f}."
    )
    evidence = {
        "section": section, "share": most[section], "limit": limit, "shares": most, "stage": stage, "epochs": epochs,
        "train": train, "lr": told(run, "optim.lr"),
    }  # fmt: skip
    return Finding(rule="steps_too_small", severity="warn", message=message, evidence=evidence)


def _run(shares: list[dict[str, float]], train: list[float], stage: str = "all") -> list[dict[str, Any]]:
    updates = [{"meter": "update", "stage": stage, "groups": item, "n": 3} for item in shares]
    return updates + [{"meter": "loss", "stage": stage, "train": x, "val": x} for x in train]


FIRES = (
    {"signals": _run([{"stage1": 1e-8, "head": 1e-7}] * 3, [0.69, 0.69, 0.69]), "recipe": {"optim.lr": 1e-9}},
    {"signals": _run([{"stage3": 2e-7, "stage4": 5e-7, "head": 0.01}] * 2, [0.69, 0.6])},
)
SILENT = (
    {"signals": _run([{"stage1": 0.002, "stage4": 0.004}] * 3, [0.69, 0.6, 0.5])},
    # The end of a schedule.
    {"signals": _run([{"stage1": 1e-3}, {"stage1": 1e-9}], [0.69, 0.6])},
    # The head alone is trained.
    {"signals": _run([{"head": 1e-9}] * 2, [0.69, 0.69], "head")},
    # It had learned before.
    {"signals": _run([{"stage1": 1e-8}] * 2, [0.1, 0.1])},
)
