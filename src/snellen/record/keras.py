"""Keras: `model.fit(…, callbacks=[callback("recording")])`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snellen.record._library import library
from snellen.record.recorder import Recorder


def callback(
    folder: str | Path, *, classes: int | None = None, cross_entropy: bool = True, resume: bool = False
) -> Any:
    """A callback that records the logs of each epoch and the optimiser's rate. Keras shows a callback no gradients.

    The settings are `Recorder`'s. Raises SnellenError where Keras is not installed.
    """
    Callback = library("keras").callbacks.Callback

    class Recording(Callback):  # type: ignore[misc, valid-type]
        recorder: Recorder | None = None

        def on_train_begin(self, logs: Any = None) -> None:
            self.recorder = Recorder(
                folder, classes=classes, cross_entropy=cross_entropy, framework="keras", resume=resume
            )

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if self.recorder is None:
                return
            rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
            if rate is not None and "learning_rate" not in (logs or {}):
                self.recorder.rate(float(rate))
            self.recorder.metrics(dict(logs or {}))

    return Recording()
