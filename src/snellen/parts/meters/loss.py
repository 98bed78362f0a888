"""Loss and accuracy of training and validation, both measured the same way (SPEC S1)."""

from __future__ import annotations

from typing import Any

import numpy as np


def loss(epoch: Any) -> dict[str, Any]:
    """Plain cross-entropy in eval mode without augmentation on a fixed training subset and on validation; `running` is the
    training-mode mean over the epoch, which smoothing, mixes and augmentation raise."""
    return {
        "train": _cross_entropy(epoch.training),
        "val": _cross_entropy(epoch.validation),
        "running": float(
            np.average([step["loss"] for step in epoch.steps], weights=[step["n"] for step in epoch.steps])
        ),
        "train_accuracy": float(epoch.training.correct.mean()),
        "val_accuracy": float(epoch.validation.correct.mean()),
    }


def _cross_entropy(rows: Any) -> float:
    own = rows.probabilities[np.arange(len(rows.targets)), rows.targets]
    # float32 softmax underflows near 1e-38; the floor keeps one hopeless sample from making the mean infinite.
    return float(-np.log(np.maximum(own, 1e-12)).mean())
