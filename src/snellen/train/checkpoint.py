"""Checkpoints: everything that the next step depends on, in `last`, and at the end the weights that are kept, in `best`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from snellen import store
from snellen.run import Run
from snellen.train.average import Average
from snellen.train.optimizer import moments, refill


@dataclass(slots=True)
class State:
    """Where a training stands: the one thing of the loop that changes. `batch` counts within the epoch, `epoch` within
    the stage, `epochs` and `steps` over the whole run; `parts` is into how many a batch was last cut;
    `scaler` what fp16's scaler has learnt in the stage; `records` are the steps of the epoch so far; `scores` the metric
    after each epoch of the stage; `kept` the epoch of the run after which the best weights stood.

    What the autopilot did: `patch` of the recipe that holds from then on, how often it acted, and in which epoch last."""

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    epochs: int = 0
    steps: int = 0
    stage_steps: int = 0
    parts: int = 1
    scaler: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    score: float | None = None
    loss: float | None = None
    kept: int = 0
    patch: dict[str, Any] = field(default_factory=dict)
    acts: int = 0
    acted: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    # Kept outside `about`: the tensors of the best weights, and when a checkpoint was last written.
    best: dict[str, Tensor] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)

    def about(self) -> dict[str, Any]:
        """The numbers, as the checkpoint's header holds them."""
        names = (item.name for item in fields(self))
        return {name: getattr(self, name) for name in names if name not in ("best", "saved_at")}


class Writer:
    """Writes `last` while training goes on: `save` copies what the next step would change, and a thread does the rest.

    At most one write is under way; what went wrong in it is raised by the next `save` or `wait`.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._pending: Future[None] | None = None

    def save(self, state: State, model: nn.Module, average: Average, optimizer: torch.optim.Optimizer) -> None:
        """Write `last`. The best weights are in it too: of two files a crash could leave a pair that does not fit, and the
        next stage starts from the best."""
        self.wait()
        tensors = snapshot(state, model, average, optimizer)
        about = state.about() | {"records": list(state.records), "scores": list(state.scores)}
        # A thread for each write, which ends with it: one that stayed would keep the team of OpenMP threads that torch gave it, and with
        # more threads than cores OpenMP lets all of them sleep between any two operations (a U-Net then trained at 0.6 of its speed).
        pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pending = pool.submit(store.write_tensors, self.run.checkpoint("last"), tensors, about)
        pool.shutdown(wait=False)
        state.saved_at = time.monotonic()

    def wait(self) -> None:
        """Until the write that is under way has reached the disk."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()


def snapshot(state: State, model: nn.Module, average: Average, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Copies of all tensors that the next step changes, on the CPU, and the best weights, which nothing changes."""
    moving = {f"model.{key}": value for key, value in model.state_dict().items()}
    moving |= {f"average.{key}": value for key, value in average.state().items()}
    copies = {key: value.detach().to("cpu", copy=True) for key, value in moving.items()}
    copies |= {f"optimizer.{key}": value for key, value in moments(optimizer).items()}
    return copies | {f"best.{key}": value for key, value in state.best.items()}


def save_best(run: Run, state: State) -> None:
    """Write the weights that are kept, when training has ended."""
    store.write_tensors(run.checkpoint("best"), state.best, {"score": state.score, "epochs": state.epochs})


def load(run: Run) -> tuple[State, dict[str, Tensor]]:
    """The state and tensors of `last`; a fresh state and nothing where there is no checkpoint."""
    if not run.checkpoint("last").is_file():
        return State(), {}
    tensors, about = store.read_tensors(run.checkpoint("last"))
    return State(**about, best=_under(tensors, "best.")), tensors


def restore(
    tensors: Mapping[str, Tensor], model: nn.Module, average: Average, optimizer: torch.optim.Optimizer
) -> None:
    """Put a checkpoint's tensors back where `save` took them from."""
    model.load_state_dict(_under(tensors, "model."))
    average.load(_under(tensors, "average."))
    refill(optimizer, _under(tensors, "optimizer."))


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
