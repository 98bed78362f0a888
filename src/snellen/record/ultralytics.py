"""Ultralytics: `attach(model, "recording")`, then `model.train(…)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snellen.record.recorder import Recorder


def attach(
    model: Any,
    folder: str | Path,
    *,
    classes: int | None = None,
    cross_entropy: bool | None = None,
    resume: bool = False,
) -> None:
    """Add a callback to a `YOLO` model that records losses, metrics and rates of each epoch.

    `cross_entropy` None: true for a classifier, whose one loss it is. The other settings are `Recorder`'s.
    """
    nats = getattr(model, "task", "") == "classify" if cross_entropy is None else cross_entropy
    kept: list[Recorder] = []
    trained: list[int] = []

    def begin(trainer: Any) -> None:
        # Only the first process of several writes.
        if not kept and getattr(trainer.args, "local_rank", -1) in (-1, 0):
            kept.append(Recorder(folder, classes=classes, cross_entropy=nats, framework="ultralytics", resume=resume))

    def through(trainer: Any) -> None:
        trained.append(trainer.epoch)

    def end(trainer: Any) -> None:
        # The final evaluation of the best weights calls this once more, without an epoch of training.
        if not kept or not trained:
            return
        recorder = kept[0]
        trained.clear()
        train, val = _sum(trainer.label_loss_items(trainer.tloss, prefix="train")), _sum(trainer.metrics, "val/")
        recorder.steps += len(trainer.train_loader)
        recorder.rate(float(max(trainer.lr.values())) if trainer.lr else 0.0)
        top1 = trainer.metrics.get("metrics/accuracy_top1")
        recorder.epoch(train_loss=train, val_loss=val, val_accuracy=None if top1 is None else float(top1))

    model.add_callback("on_train_start", begin)
    model.add_callback("on_train_epoch_end", through)
    model.add_callback("on_fit_epoch_end", end)


def _sum(items: Any, prefix: str = "") -> float | None:
    """The sum of a detector's losses, or a classifier's one."""
    given = [float(value) for name, value in dict(items).items() if name.startswith(prefix) and "loss" in name]
    return sum(given) if given else None
