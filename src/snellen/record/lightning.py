"""Lightning: `Trainer(callbacks=[callback("recording")])`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snellen.foreign.columns import role_of
from snellen.record._library import library
from snellen.record.recorder import Recorder


def callback(
    folder: str | Path, *, classes: int | None = None, cross_entropy: bool = True, every: int = 10, resume: bool = False
) -> Any:
    """A callback that records losses, gradients, the rate, and what the module logged (names are guessed: val_loss, val_acc, …).

    The settings are `Recorder`'s. Raises SnellenError where Lightning is not installed.
    """
    Callback = library("lightning.pytorch", "pytorch_lightning").Callback

    class Recording(Callback):  # type: ignore[misc, valid-type]
        recorder: Recorder | None = None

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.is_global_zero:
                self.recorder = Recorder(
                    folder, optimizer=trainer.optimizers[0] if trainer.optimizers else None, classes=classes,
                    cross_entropy=cross_entropy, framework="lightning", resume=resume,
                )  # fmt: skip

        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            if self.recorder is not None and trainer.global_step % every == 0:
                self.recorder.gradient(pl_module)

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
            if self.recorder is not None and loss is not None:
                # Lightning has divided it by the batches that a step gathers (core/hooks.py, on_train_batch_end).
                self.recorder.step(loss * max(1, int(trainer.accumulate_grad_batches or 1)))

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if self.recorder is not None:
                # The module's own names; its training loss is that of one batch, the mean of the steps is better.
                logged = {name: value for name, value in trainer.callback_metrics.items() if role_of(name) != "train"}
                self.recorder.metrics(logged)

    return Recording()
