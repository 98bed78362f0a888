"""Loss and accuracy of training and validation, both measured the same way (SPEC S1)."""

from __future__ import annotations

from typing import Any

import numpy as np


def loss(epoch: Any) -> dict[str, Any]:
    """The rows' own loss (for classes: plain cross-entropy) in eval mode without augmentation, on a fixed training subset
    and on validation; `running` is the training-mode mean over the epoch, which smoothing, mixes and augmentation raise.
    The accuracies are the mean share that is right; a task without such a share has none."""
    train, val = epoch.training.shares, epoch.validation.shares
    shares = (
        {}
        if train is None or val is None
        else {"train_accuracy": float(train.mean()), "val_accuracy": float(val.mean())}
    )
    return {
        # float32 softmax underflows near 1e-38; the floor keeps one hopeless sample from making the mean infinite.
        "train": float(epoch.training.losses(1e-12).mean()),
        "val": float(epoch.validation.losses(1e-12).mean()),
        "running": float(
            np.average([step["loss"] for step in epoch.steps], weights=[step["n"] for step in epoch.steps])
        ),
        **shares,
    }
