"""Recorder: takes losses, gradients and rates of a training as it goes, and writes one record of each meter an epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from snellen import store
from snellen.foreign.columns import guess
from snellen.foreign.recorded import ABOUT, SIGNALS
from snellen.values import SnellenError

KEPT, SECTIONS = 200, 12


class Recorder:
    """One training. `model` (its gradients are read) and `optimizer` (its rate) are PyTorch's and may be left out.

    `classes`: number of classes; `cross_entropy`: whether the loss is one in nats, because limits in nats hold only then;
    `every`: gradients are read each so many steps, as reading them waits for the device. Raises SnellenError where the
    folder holds a recording already and `resume` is not set.
    """

    def __init__(
        self, folder: str | Path, *, model: Any = None, optimizer: Any = None, classes: int | None = None,
        cross_entropy: bool = True, framework: str = "pytorch", every: int = 10, resume: bool = False,
    ) -> None:  # fmt: skip
        self.folder, self.model, self.optimizer, self.every = Path(folder), model, optimizer, max(1, every)
        self._journal = store.Journal(self.folder / SIGNALS)
        known = (self.folder / ABOUT).is_file()
        if known and not resume:
            raise SnellenError(f"{self.folder} holds a recording; give another folder, or resume=True to go on with it")
        before = self._journal.read() if known else []
        self.epochs = max((int(item["epoch"]) for item in before), default=0)
        self.steps = max((int(item["step"]) for item in before), default=0)
        self._peak = max((float(item["peak"]) for item in before if item["meter"] == "rate"), default=0.0)
        about = {"framework": framework, "classes": classes, "loss": "cross_entropy" if cross_entropy else "other"}
        store.write_json(self.folder / ABOUT, about)
        self._begin()

    def _begin(self) -> None:
        self._losses: list[float] = []
        self._norms: list[dict[str, float]] = []
        self._rates: list[float] = []
        self._seen, self._broken, self._start = 0, "", time.perf_counter()

    def step(self, loss: Any, n: int = 1) -> None:
        """One step: its loss (a number or a tensor of one) and the number of its samples. Call it after the backward pass,
        while the gradients are there."""
        value = float(loss.detach() if hasattr(loss, "detach") else loss)
        self.steps, self._seen = self.steps + 1, self._seen + n
        if math.isfinite(value):
            self._losses.append(value)
        else:
            self._note("loss")
        if self.model is not None and (self.steps - 1) % self.every == 0:
            self.gradient(self.model)
        if self.optimizer is not None:
            self.rate(float(self.optimizer.param_groups[0]["lr"]))

    def gradient(self, model: Any) -> None:
        """Read the norms of a PyTorch model's gradients as they are now, in all and by its first modules."""
        norms = {name: norm for name, norm in _norms(model).items() if norm > 0}
        if norms and not all(map(math.isfinite, norms.values())):
            self._note("gradient")
        elif norms:
            self._norms.append(norms)

    def norm(self, value: float) -> None:
        """Take the norm of the whole gradient, where the library tells it."""
        if math.isfinite(value):
            self._norms.append({"": value})
        else:
            self._note("gradient")

    def rate(self, value: float) -> None:
        """Take the learning rate of a step."""
        self._rates.append(value)

    def _note(self, what: str) -> None:
        self._broken = self._broken or what

    def metrics(self, given: Mapping[str, Any]) -> None:
        """End an epoch with a library's own names: which of them is the validation loss and so on is guessed."""
        numbers = {name: float(value) for name, value in given.items() if _is_number(value)}
        roles = {role: numbers[name] for role, name in guess(numbers).items()}
        if "lr" in roles:
            self.rate(roles["lr"])
        self.epoch(
            train_loss=roles.get("train"), val_loss=roles.get("val"), train_accuracy=roles.get("train_accuracy"),
            val_accuracy=roles.get("val_accuracy"),
        )  # fmt: skip

    def epoch(
        self, *, val_loss: float | None = None, val_accuracy: float | None = None, train_loss: float | None = None,
        train_accuracy: float | None = None,
    ) -> None:  # fmt: skip
        """End an epoch: write what was seen of it. Accuracies are shares of 1. The training loss is the mean of the steps
        where it is not given."""
        self.epochs += 1
        at = {"stage": "all", "epoch": self.epochs, "step": self.steps}
        mean = float(np.mean(self._losses)) if self._losses else None
        loss = {
            "train": mean if train_loss is None else train_loss,
            "running": mean if mean is not None else train_loss,
        }
        loss |= {"val": val_loss, "train_accuracy": train_accuracy, "val_accuracy": val_accuracy}
        for key, what in (("train", "loss"), ("val", "validation loss")):
            if not math.isfinite(loss[key] or 0.0):
                self._note(what)
        finite = {key: value for key, value in loss.items() if value is not None and math.isfinite(value)}
        records = [{"meter": "loss", **at, **finite}] if finite else []
        if self._rates:
            self._peak = max(self._peak, *self._rates)
            records.append({"meter": "rate", **at, "lr": self._rates[-1], "peak": self._peak})
        if self._norms:
            records.append({"meter": "gradient", **at, **_spread(self._norms)})
        if self._seen:
            seconds = time.perf_counter() - self._start
            records.append(
                {"meter": "speed", **at, "seconds": seconds, "images_per_second": self._seen / max(seconds, 1e-9)}
            )
        if self._broken:
            records.append({"meter": "nonfinite", **at, "what": self._broken, "tensor": "", "samples": []})
        self._journal.append(*records)
        self._begin()


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, RuntimeError):
        return False
    return True


def _norms(model: Any) -> dict[str, float]:
    """Norm of the gradient by first module (at most twelve; the rest as one)."""
    import torch

    groups: dict[str, list[Any]] = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            first = name.split(".", 1)[0]
            key = first if first in groups or len(groups) < SECTIONS else "rest"
            groups.setdefault(key, []).append(parameter.grad.detach())
    if not groups:
        return {}
    with torch.no_grad():
        each = torch.stack([torch.stack(torch._foreach_norm(items)).norm().float() for items in groups.values()])
    return dict(zip(groups, each.cpu().tolist(), strict=True))


def _spread(norms: list[dict[str, float]]) -> dict[str, Any]:
    whole = np.asarray([math.sqrt(sum(value**2 for value in item.values())) for item in norms])
    thin = np.unique(np.linspace(0, len(whole) - 1, min(len(whole), KEPT)).round().astype(int))
    names = sorted({name for item in norms for name in item if name})
    groups = {name: np.asarray([item.get(name, 0.0) for item in norms]) for name in names}
    return {
        "total": {"mean": float(whole.mean()), "variance": float(whole.var()), "max": float(whole.max())},
        "groups": {name: {"mean": float(v.mean()), "variance": float(v.var())} for name, v in groups.items()},
        "clipped": None,
        "norms": [round(float(value), 6) for value in whole[thin]],
    }
