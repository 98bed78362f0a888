"""What it does
Compares the loss on validation with the loss on training images, both measured alike (no augmentation, evaluation
mode), at the end of training. A gap above 0.3 is a finding, one above 0.5 a severe one.

Why it matters
The distance is what the model learned by heart. Regularisation or more varied images turn part of it into accuracy.

Known problems
On hard data a gap can coexist with the best reachable accuracy; only the paired experiment tells. The gap must also be
larger than the noise of a small validation set: where stored rows allow, its lower bound must stay above zero.

Source
Rule of thumb for cross-entropy in nats (SPEC S1); the noise bound is the standard error of the mean loss.
"""

from __future__ import annotations

import math

import numpy as np

from snellen.rules.curves import in_nats, last_stage, median, needed, numbers, sample_losses, stored, unlearned
from snellen.run import Run
from snellen.values import Finding


def overfitting(
    run: Run, *, gap: float = 0.3, severe: float = 0.5, epochs: int = 3, confidence: float = 1.64
) -> list[Finding]:
    """Find a loss gap in the median of the last `epochs` epochs of the last stage.

    The best weights may hide it, so the end of training is judged, not the epoch that was kept.
    """
    in_nats(run)
    needed(run.signals("loss"), "train", "val")
    end = last_stage(run.signals("loss"))[-epochs:]
    train, val = median(numbers(end, "train")), median(numbers(end, "val"))
    seen = val - train
    noise = _noise(run)
    if not seen > gap or not seen - confidence * noise > 0:
        return []
    # Training that never got below guessing has learned nothing by heart; other rules speak of it.
    if train > unlearned(run):
        return []
    accuracy = {
        "train_accuracy": median(numbers(end, "train_accuracy")),
        "val_accuracy": median(numbers(end, "val_accuracy")),
    }
    grade = "severe" if seen > severe else "likely"
    message = f"The loss on validation is {seen:.2f} above the loss on training images ({val:.2f} against {train:.2f})"
    message += f": {grade} over-fitting (limit {severe if grade == 'severe' else gap:g})."
    if not math.isnan(accuracy["train_accuracy"] + accuracy["val_accuracy"]):
        message += (
            f" Accuracy is {accuracy['train_accuracy']:.1%} in training and {accuracy['val_accuracy']:.1%} there."
        )
    lowest = min(numbers(run.signals("loss"), "val"))
    evidence = {
        "gap": seen,
        "train": train,
        "val": val,
        "lowest_val": lowest,
        "limit": gap,
        "excess": seen / gap,
        "severe_limit": severe,
        "grade": grade,
        "severe": grade == "severe",
        "standard_error": noise,
        **accuracy,
    }
    return [Finding(rule="overfitting", severity="warn", message=message, evidence=evidence)]


def _noise(run: Run) -> float:
    """Standard error of the mean validation loss; 0 where no rows are stored."""
    rows = stored(run, "val")
    if rows is None or len(rows.ids) < 2:
        return 0.0
    losses = sample_losses(rows)
    return float(np.std(losses, ddof=1) / math.sqrt(len(losses)))


def _run(stage: str, train: list[float], val: list[float]) -> list[dict[str, object]]:
    return [{"meter": "loss", "stage": stage, "train": t, "val": v} for t, v in zip(train, val, strict=True)]


_SURE = [[0.97, 0.03]] * 11
FIRES = (
    {"signals": _run("all", [0.9, 0.4, 0.1, 0.02, 0.01], [1.0, 0.7, 0.6, 0.65, 0.7])},
    {
        "signals": [
            {"meter": "loss", "stage": "all", "train": 0.2, "val": 0.58, "train_accuracy": 0.95, "val_accuracy": 0.83},
            {"meter": "loss", "stage": "all", "train": 0.1, "val": 0.55, "train_accuracy": 0.99, "val_accuracy": 0.84},
        ]
    },
    # The head stage was fine; the gap opens in the last one.
    {"signals": [*_run("head", [0.8, 0.6], [0.85, 0.66]), *_run("all", [0.3, 0.05, 0.01], [0.7, 0.8, 0.9])]},
    # Many wrong rows: the gap is well above its noise.
    {
        "signals": _run("all", [0.4, 0.1], [1.2, 1.3]),
        "predictions": {
            "val": {
                "classes": ["a", "b"],
                "targets": [0, 1] * 20,
                "probabilities": [[0.8, 0.2], [0.9, 0.1]] * 20,
            }
        },
    },
)
SILENT = (
    {"signals": _run("all", [0.9, 0.5, 0.3, 0.25], [0.95, 0.6, 0.45, 0.44])},
    # Smoothing and mixes make the training-mode loss high; it is not what is compared.
    {
        "signals": [
            {"meter": "loss", "stage": "all", "train": 0.35, "val": 0.5, "running": 1.4},
            {"meter": "loss", "stage": "all", "train": 0.3, "val": 0.48, "running": 1.3},
        ]
    },
    # The gap was wide early and closed.
    {"signals": _run("all", [0.2, 0.2, 0.2, 0.2, 0.2], [0.9, 0.7, 0.4, 0.35, 0.35])},
    # Diverged: validation far above training, and training above guessing.
    {"signals": _run("all", [3.0, 2.8, 3.1], [5.0, 4.4, 4.0])},
    # A dozen validation images, one of them badly wrong: the gap is within its noise.
    {
        "signals": _run("all", [0.05, 0.03], [0.37, 0.38]),
        "predictions": {
            "val": {"classes": ["a", "b"], "targets": [0] * 11 + [1], "probabilities": [*_SURE, [0.985, 0.015]]}
        },
    },
    # The run stopped on a non-finite loss: nothing to compare.
    {"signals": _run("all", [0.5, float("nan")], [0.6, float("nan")])},
)
