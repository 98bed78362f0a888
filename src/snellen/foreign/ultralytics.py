"""Ultralytics' results.csv: one row an epoch, train/… and val/… losses, metrics/…, lr/pg0.

Source: ultralytics/engine/trainer.py, `BaseTrainer.save_metrics`.
"""

from __future__ import annotations

from snellen.foreign.gather import from_table
from snellen.foreign.head import Head
from snellen.foreign.reading import Reading


def detect(head: Head) -> bool:
    """Whether the columns are Ultralytics'."""
    names = head.columns
    return (
        "epoch" in names and any(n.startswith("train/") for n in names) and any(n.startswith("metrics/") for n in names)
    )


def read(head: Head) -> Reading:
    """The sum of the losses on either side; a classifier's single loss is a cross-entropy, a detector's sum is not."""
    names = head.columns
    columns: dict[str, list[str]] = {"epoch": ["epoch"]}
    for role, side in (("train", "train/"), ("val", "val/")):
        losses = [name for name in dict.fromkeys(names) if name.startswith(side) and "loss" in name]
        columns |= {role: losses} if losses else {}
    columns |= {"val_accuracy": ["metrics/accuracy_top1"]} if "metrics/accuracy_top1" in names else {}
    columns |= {"lr": ["lr/pg0"]} if "lr/pg0" in names else {}
    classifies = columns.get("train") == ["train/loss"]
    notes = (
        ()
        if classifies
        else ("the loss is the sum of the detector's parts; rules whose limits are in nats do not look",)
    )
    return from_table(
        head.path, format="Ultralytics results.csv", framework="ultralytics", columns=columns, replace=True,
        nats=classifies, notes=notes,
    )  # fmt: skip
