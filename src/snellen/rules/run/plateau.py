"""What it does
Finds a last stage whose validation loss and accuracy did not improve over its last 40 % of epochs (at least 5), while
there was still training loss to work on, no over-fitting, and a learning rate that was still high.

Why it matters
At a constant rate the weights end up circling at a distance that the rate sets; a lower rate, or a schedule that falls,
lets them settle.

Known problems
Where the schedule has already brought the rate down (below a fifth of its peak on average), a flat end is convergence
and no finding. Stages of fewer than eight epochs are too short to judge.

Source
SPEC L5 (reduce on plateau), S5.
"""

from __future__ import annotations

import math
from typing import Any

from snellen.rules.curves import Record, in_nats, last_stage, median, needed, numbers, optional, told
from snellen.run import Run
from snellen.values import Finding


def plateau(
    run: Run,
    *,
    epochs: int = 5,
    share: float = 0.4,
    improvement: float = 0.01,
    train: float = 0.25,
    gap: float = 0.3,
    rate: float = 0.2,
) -> list[Finding]:
    """Find a plateau at the end of the last stage.

    `epochs`, `share`: the larger of the two is the end. `improvement`: relative fall of the validation loss (and points
    of accuracy) that counts. `train`: training loss worth working on. `rate`: mean share of the peak rate at the end.
    """
    in_nats(run)
    needed(run.signals("loss"), "train", "val")
    items = [
        item
        for item in last_stage(run.signals("loss"))
        if item.get("train") is not None and item.get("val") is not None
    ]
    window = max(epochs, math.ceil(share * len(items)))
    if len(items) < window + 3:
        return []
    before, end = items[:-window], items[-window:]
    level, val = median(numbers(end, "train")), median(numbers(end, "val"))
    if not level > train or not val - level <= gap or _improved(before, end, improvement):
        return []
    share_of_peak = _share_of_peak(run, {item["epoch"] for item in end})
    if share_of_peak is not None and share_of_peak < rate:
        return []
    best = min(numbers(before, "val"))
    message = (
        f"Validation has not improved over the last {window} epochs (loss {min(numbers(end, 'val')):.3f}, best before "
        f"{best:.3f}), with a training loss of {level:.2f} left to work on."
    )
    evidence = {
        "epochs": window,
        "best_before": best,
        "best_at_end": min(numbers(end, "val")),
        "train": level,
        "val": val,
        "rate_share": share_of_peak,
        "lr": told(run, "optim.lr"),
    }
    return [Finding(rule="plateau", severity="warn", message=message, evidence=evidence)]


def _improved(before: list[Record], end: list[Record], least: float) -> bool:
    falls = min(numbers(end, "val")) < min(numbers(before, "val")) * (1 - least)
    was, now = numbers(before, "val_accuracy"), numbers(end, "val_accuracy")
    return falls or bool(was and now and max(now) > max(was) + least)


def _share_of_peak(run: Run, epochs: set[int]) -> float | None:
    """Mean rate of these epochs in units of their stage's peak; None where it was not measured."""
    rates = optional(run, "rate")
    ends = [item for item in rates if item["epoch"] in epochs]
    peak = max((float(item["peak"]) for item in rates if ends and item["stage"] == ends[-1]["stage"]), default=0.0)
    return sum(float(item["lr"]) for item in ends) / len(ends) / peak if ends and peak > 0 else None


def _run(val: list[float], train: float, rate: float | None = None, accuracy: float = 0.7) -> list[dict[str, Any]]:
    """Epochs with a training loss that falls to `train`, at a constant share of the peak rate."""
    loss = [
        {"meter": "loss", "stage": "all", "train": train + 0.3 / (i + 1), "val": v, "val_accuracy": accuracy}
        for i, v in enumerate(val)
    ]
    return loss + [{"meter": "rate", "stage": "all", "lr": rate * 1e-3, "peak": 1e-3} for _ in val if rate is not None]


FIRES = (
    {"signals": _run([1.0, 0.9, 0.8, 0.75, 0.75, 0.76, 0.75, 0.75, 0.76], 0.6, rate=1.0)},
    {"signals": _run([1.0, 0.9, 0.8, 0.82, 0.81, 0.8, 0.8, 0.81], 0.7)},
    {"signals": _run([1.2, *[0.9] * 19], 0.8, rate=0.5), "recipe": {"optim.name": "sgd", "optim.lr": 5e-3}},
)
SILENT = (
    {"signals": _run([1.0, 0.9, 0.8, 0.7, 0.65, 0.6, 0.56, 0.53, 0.5], 0.4)},
    # Too short to say.
    {"signals": _run([0.8, 0.8, 0.8, 0.8], 0.6)},
    # The schedule has ended: this is convergence.
    {"signals": _run([1.0, 0.9, 0.8, 0.75, 0.75, 0.76, 0.75, 0.75, 0.76], 0.6, rate=0.05)},
    # Nothing is left to learn from.
    {"signals": _run([0.3, 0.2, 0.15, 0.15, 0.15, 0.15, 0.15, 0.15, 0.15], 0.01)},
    # Over-fitting has a rule of its own.
    {"signals": _run([1.0, 0.9, 0.9, 1.0, 1.1, 1.2, 1.2, 1.3, 1.3], 0.3)},
)
