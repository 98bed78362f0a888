"""fastai: `Learner(…, cbs=callback("recording"))`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from snellen.record._library import library
from snellen.record.recorder import Recorder


def callback(
    folder: str | Path, *, classes: int | None = None, cross_entropy: bool = True, every: int = 10, resume: bool = False
) -> Any:
    """A callback that records losses, gradients, the rate and the metrics. Each `fit` after the first goes on in the folder.

    The settings are `Recorder`'s. Raises SnellenError where fastai is not installed.
    """
    Callback = library("fastai.callback.core", "fastai").Callback

    class Recording(Callback):  # type: ignore[misc, valid-type]
        # After fastai's own Recorder, which gathers the epoch's values.
        order = 60
        kept: Recorder | None = None

        def before_fit(self) -> None:
            # A learning-rate search and a prediction are no training.
            if self.kept is None and not hasattr(self.learn, "lr_finder") and not hasattr(self.learn, "gather_preds"):
                self.kept = Recorder(
                    folder, classes=classes, cross_entropy=cross_entropy, framework="fastai", resume=resume
                )

        def after_backward(self) -> None:
            if self.kept is not None and self.train_iter % every == 0:
                self.kept.gradient(self.model)

        def after_batch(self) -> None:
            if self.kept is not None and self.training:
                self.kept.rate(float(self.opt.hypers[-1]["lr"]))
                self.kept.step(self.loss, n=len(self.yb[0]) if self.yb else 0)

        def after_epoch(self) -> None:
            if self.kept is not None and self.recorder.values:
                names = [name for name in self.recorder.metric_names if name not in ("epoch", "time")]
                values = dict(zip(names, self.recorder.values[-1], strict=False))
                # fastai's training loss is a mean that forgets; that of the steps is the epoch's.
                self.kept.metrics({name: value for name, value in values.items() if name != "train_loss"})

    return Recording()
