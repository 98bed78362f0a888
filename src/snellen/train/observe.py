"""What is looked at after an epoch: validation and training rows, the meters, and which weights are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snellen.rows import Rows
from snellen.shelf import METERS
from snellen.train.average import Average
from snellen.train.checkpoint import State
from snellen.train.job import Job
from snellen.train.machine import Setting
from snellen.train.source import Samples
from snellen.train.step import NonFinite

RowsOf = Callable[[Samples], Rows]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What the meters read: the steps' records, the rows of validation and of the fixed training subset, the times; `look` at
    the end of a stage (train/look), else None. A meter that has nothing to measure by gives None."""

    steps: tuple[dict[str, Any], ...]
    validation: Rows
    training: Rows
    seconds: float
    evaluation_seconds: float
    look: Any = None


def rows_of(job: Job, samples: Samples, outputs: Iterable[Tensor]) -> Rows:
    """Stored rows from the outputs of all batches, in the samples' order. Each output is read as it comes and let go."""
    size = job.recipe.data.eval_size or job.recipe.data.size
    return stored(job.task, samples, outputs, size, job.classes)


def stored(task: Any, samples: Samples, outputs: Iterable[Tensor], size: int, classes: tuple[str, ...]) -> Rows:
    """The task's rows of outputs for images of `size` pixels."""
    found: list[dict[str, np.ndarray]] = []
    place = 0
    for output in outputs:
        places = np.arange(place, place + len(output))
        place += len(output)
        truth = samples.truth
        wanted = torch.from_numpy(samples.targets[places]) if truth is None else truth.wanted(places, size)
        found.append(task.predict(output, wanted.to(output.device)))
    numbers = {name: np.concatenate([part[name] for part in found]) for name in found[0]}
    rows: Rows = task.rows(samples.ids, samples.targets, numbers, classes)
    return rows


@torch.no_grad()
def predict(job: Job, samples: Samples) -> Rows:
    """Rows of the job's model in eval mode, on images of the evaluation size. (No inference mode: its tensors could not
    be trained on afterwards.)"""
    job.model.eval()
    size = job.recipe.data.eval_size or job.recipe.data.size
    return rows_of(job, samples, outputs(job.model, job.setting, samples.plain(size, *job.normal)))


def outputs(model: nn.Module, setting: Setting, batches: Iterable[Tensor]) -> Iterator[Tensor]:
    """What the model gives for each batch; gradients and modes are the caller's business."""
    for images in batches:
        with setting.autocast():
            found = model(setting.place(images))
        yield found


def observe(
    job: Job, state: State, average: Average, rows: RowsOf, stage: str, *, look: Callable[[], Any] = lambda: None
) -> dict[str, dict[str, Any]]:
    """Evaluate the averaged weights, write every meter's record, and keep the weights where they are the best so far; return
    what was written. `look` is called while the model has the averaged weights."""
    start, before = time.perf_counter(), state.best
    with average.applied():
        validation, training = rows(job.validation), rows(job.subset)
        state.scores.append(keep_if_best(job, state, validation))
        looked = look()
    if state.best is not before:
        state.kept = state.epochs + 1
    spent = time.perf_counter() - start
    epoch = Epoch(tuple(state.records), validation, training, state.epoch_seconds, spent, looked)
    where = {"stage": stage, "epoch": state.epochs + 1, "step": state.steps}
    meters = [name for name in METERS.names() if METERS.serves(name, job.recipe.task)]
    measured = {name: METERS.pick(name)(epoch) for name in meters}
    signals = {name: {**where, **values} for name, values in measured.items() if values is not None}
    job.run.record_all(signals)
    state.seconds, state.epoch_seconds = state.seconds + state.epoch_seconds + spent, 0.0
    return signals


def keep_if_best(job: Job, state: State, validation: Rows) -> float:
    """Keep the present weights where the recipe's metric is higher than before, or equal with a lower loss; return the metric.

    Raises NonFinite for rows that are not finite: they can never be the best.
    """
    bad = ~validation.finite
    if bad.any():
        raise NonFinite("metric", places=np.flatnonzero(bad).tolist())
    score = job.task.score(validation, job.recipe.metric)
    loss = float(validation.losses(1e-12).mean())
    if state.score is None or state.loss is None or (score, -loss) > (state.score, -state.loss):
        state.score, state.loss = score, loss
        state.best = {key: value.detach().cpu().clone() for key, value in job.model.state_dict().items()}
    return float(score)
