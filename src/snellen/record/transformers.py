"""Hugging Face: `Trainer(callbacks=[callback("recording")])`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snellen.record._library import library
from snellen.record.recorder import Recorder


def callback(
    folder: str | Path, *, classes: int | None = None, cross_entropy: bool = True, resume: bool = False
) -> Any:
    """A callback that records what the Trainer logs: loss, grad_norm, learning_rate, and its evaluations.

    With an evaluation each epoch there is a record each epoch. The settings are `Recorder`'s. Raises SnellenError where
    transformers is not installed.
    """
    TrainerCallback = library("transformers").TrainerCallback

    class Recording(TrainerCallback):  # type: ignore[misc, valid-type]
        recorder: Recorder | None = None
        waiting: dict[str, Any] | None = None

        def _on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            if state.is_world_process_zero:
                self.recorder = Recorder(
                    folder, classes=classes, cross_entropy=cross_entropy, framework="transformers", resume=resume
                )

        def _on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **given: Any) -> None:
            if self.recorder is None or not logs:
                return
            if "loss" in logs:
                self.recorder.step(float(logs["loss"]), n=0)
            if "grad_norm" in logs:
                self.recorder.norm(float(logs["grad_norm"]))
            if "learning_rate" in logs:
                self.recorder.rate(float(logs["learning_rate"]))

        def _on_epoch_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self._write()

        def _on_epoch_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            # The evaluation of this epoch, and the log of its last steps, come after it.
            self.waiting = self.waiting or {}

        def _on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **given: Any) -> None:
            self.waiting = dict(metrics or {})

        def _on_train_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self._write()

        # The handler gives each of them whatever it knows, by name.
        on_train_begin, on_log, on_evaluate = _on_train_begin, _on_log, _on_evaluate
        on_epoch_begin, on_epoch_end, on_train_end = _on_epoch_begin, _on_epoch_end, _on_train_end

        def _write(self) -> None:
            if self.recorder is not None and self.waiting is not None:
                self.recorder.metrics({name: value for name, value in self.waiting.items() if name != "epoch"})
            self.waiting = None

    return Recording()
