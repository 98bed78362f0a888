"""fastai's history.csv, as its CSVLogger writes it: epoch, train_loss, valid_loss, metrics, time.

Source: fastai/callback/progress.py, `CSVLogger`.
"""

from __future__ import annotations

from snellen.foreign.columns import guess
from snellen.foreign.gather import from_table
from snellen.foreign.head import Head
from snellen.foreign.reading import Reading


def detect(head: Head) -> bool:
    """Whether the columns are fastai's."""
    return {"epoch", "train_loss", "time"} <= set(head.columns)


def read(head: Head) -> Reading:
    """One row an epoch; the training loss is a running mean that forgets, so that it is close to the epoch's end."""
    columns = {"epoch": ["epoch"], "train": ["train_loss"]}
    columns |= {"val": ["valid_loss"]} if "valid_loss" in head.columns else {}
    metric = guess(name for name in head.columns if name not in ("train_loss", "valid_loss"))
    columns |= {"val_accuracy": [metric["val_accuracy"]]} if "val_accuracy" in metric else {}
    if "val_accuracy" not in columns and "error_rate" in head.columns:
        notes: tuple[str, ...] = ("error_rate says that this is a classification; the rate itself is not read",)
        return from_table(head.path, format="fastai CSVLogger", framework="fastai", columns=columns, replace=True, nats=True, notes=notes)  # fmt: skip
    return from_table(head.path, format="fastai CSVLogger", framework="fastai", columns=columns, replace=True)
