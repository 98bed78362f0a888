"""timm's summary.csv: one row an epoch, train_… and eval_… columns, lr.

Source: timm/utils/summary.py, `update_summary`.
"""

from __future__ import annotations

from snellen.foreign.gather import from_table
from snellen.foreign.head import Head
from snellen.foreign.reading import Reading

ROLES = {"epoch": "epoch", "train": "train_loss", "val": "eval_loss", "val_accuracy": "eval_top1", "lr": "lr"}


def detect(head: Head) -> bool:
    """Whether the columns are those of timm's train.py."""
    return {"epoch", "train_loss", "eval_loss"} <= set(head.columns)


def read(head: Head) -> Reading:
    """One row an epoch. The evaluation loss is a plain cross-entropy; the training loss carries smoothing and mixes."""
    columns = {role: [name] for role, name in ROLES.items() if name in head.columns}
    notes = ("timm's training loss carries label smoothing and Mixup where they are on, its evaluation loss does not",)
    return from_table(
        head.path, format="timm summary.csv", framework="timm", columns=columns, replace=True, nats=True, notes=notes
    )
