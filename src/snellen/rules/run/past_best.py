"""What it does
Finds a training that went on after its best: the validation loss of the last stage reached its lowest well before the
end and then rose by more than 10 %, over at least five epochs, while the training loss went on falling and the
validation accuracy did not rise.

Why it matters
The epochs after the best cost time and only taught the training images by heart. Where the best weights were not kept,
they made the model worse.

Known problems
A loss that rises while the accuracy rises too is over-confidence and is not reported here. Some large models pass a
second descent after the rise (Nakkiran et al. 2020). The limit is relative, so that it holds for any kind of loss.

Source
SPEC S5 (too long a training); L. Prechelt 1998, Early stopping, but when? (generalisation loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from snellen.rules.curves import Record, last_stage, median, needed, numbers
from snellen.run import Run
from snellen.values import Finding


def past_best(
    run: Run, *, rise: float = 0.1, epochs: int = 5, end: int = 3, fall: float = 0.1, accuracy: float = 0.005
) -> list[Finding]:
    """Find the epoch after which validation only became worse.

    `rise`: relative rise of the median of the last `end` epochs above the lowest validation loss (smoothed over three
    epochs). `epochs`: fewest epochs since then. `fall`: relative fall of the training loss since then. `accuracy`:
    a gain in validation accuracy that speaks against it.
    """
    items = last_stage(run.signals("loss"))
    needed(items, "train", "val")
    items = [item for item in items if item.get("val") is not None and item.get("train") is not None]
    if len(items) < epochs + 3:
        return []
    smooth = _smooth(numbers(items, "val"))
    best = int(np.argmin(smooth))
    after = items[best + 1 :]
    late, train = median(numbers(items[-end:], "val")), median(numbers(items[-end:], "train"))
    low, learned = float(smooth[best]), float(items[best]["train"])
    if len(after) < epochs or not low > 0 or not late > low * (1 + rise) or not train < learned * (1 - fall):
        return []
    if _more_right(items, best, end) > accuracy:
        return []
    message = (
        f"Validation was best at epoch {items[best]['epoch']} (loss {low:.3g}) and rose by {late / low - 1:.0%} to {late:.3g} "
        f"over the {len(after)} epochs after it, while the training loss fell from {learned:.3g} to {train:.3g}."
    )
    evidence = {
        "best": items[best]["epoch"],
        "place": best + 1,
        "stage": items[best]["stage"],
        "epochs": len(after),
        "lowest": low,
        "late": late,
        "rise": late / low - 1,
        "limit": rise,
        "excess": (late / low - 1) / rise,
        "train_then": learned,
        "train": train,
    }
    return [Finding(rule="past_best", severity="warn", message=message, evidence=evidence)]


def _smooth(values: Sequence[float]) -> np.ndarray:
    """Median of each value and its neighbours: one lucky epoch is no best."""
    padded = [values[0], *values, values[-1]]
    return np.asarray([float(np.median(padded[place : place + 3])) for place in range(len(values))])


def _more_right(items: Sequence[Record], best: int, end: int) -> float:
    """Gain in validation accuracy since the best epoch; negative infinity where it is not known."""
    then, now = numbers(items[max(0, best - 1) : best + 2], "val_accuracy"), numbers(items[-end:], "val_accuracy")
    return median(now) - median(then) if then and now else -np.inf


def _run(train: list[float], val: list[float], accuracy: list[float] | None = None) -> list[dict[str, Any]]:
    known = accuracy or [0.7] * len(val)
    return [
        {"meter": "loss", "stage": "all", "train": t, "val": v, "val_accuracy": a}
        for t, v, a in zip(train, val, known, strict=True)
    ]


_LEARNS = [1.0, 0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.08, 0.06]
FIRES = (
    {"signals": _run(_LEARNS, [1.1, 0.8, 0.7, 0.68, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])},
    # The sum of a detector's losses, without any accuracy.
    {
        "signals": [
            {"meter": "loss", "stage": "all", "train": t, "val": v}
            for t, v in zip(
                [9.0, 7.0, 6.0, 5.0, 4.5, 4.0, 3.6, 3.3, 3.0, 2.8],
                [9.5, 8.0, 7.2, 7.0, 7.1, 7.4, 7.7, 7.9, 8.2, 8.4],
                strict=True,
            )
        ]
    },
    {
        "signals": _run(
            _LEARNS, [1.1, 0.9, 0.6, 0.62, 0.61, 0.7, 0.72, 0.74, 0.7, 0.76], [0.6, 0.7, *[0.8] * 5, 0.79, 0.79, 0.78]
        )
    },
)
SILENT = (
    {"signals": _run(_LEARNS, [1.1, 0.8, 0.7, 0.6, 0.55, 0.5, 0.5, 0.49, 0.48, 0.48])},
    # Flat after the best: within the limit.
    {"signals": _run(_LEARNS, [1.1, 0.8, 0.7, 0.6, 0.6, 0.61, 0.62, 0.62, 0.63, 0.63])},
    # The loss rises, and more images are right all the same.
    {
        "signals": _run(
            _LEARNS,
            [1.1, 0.8, 0.7, 0.68, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95],
            [0.5, 0.6, 0.7, 0.72, 0.74, 0.76, 0.78, 0.8, 0.8, 0.8],
        )
    },
    # One lucky epoch.
    {"signals": _run(_LEARNS, [1.1, 0.9, 0.5, 0.85, 0.8, 0.78, 0.76, 0.74, 0.72, 0.71])},
    # Both rise: that is a rate that is too high, not learning by heart.
    {
        "signals": _run(
            [0.9, 0.5, 0.6, 0.7, 0.9, 1.0, 1.2, 1.3, 1.4, 1.5], [1.0, 0.6, 0.7, 0.8, 1.0, 1.2, 1.3, 1.4, 1.5, 1.6]
        )
    },
    # Too short to say.
    {"signals": _run([0.5, 0.3, 0.1], [0.6, 0.7, 0.8])},
)
