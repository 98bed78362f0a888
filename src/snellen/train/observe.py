"""What is looked at after an epoch: validation and training rows, the meters, and which weights are kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snellen.run import Predictions
from snellen.shelf import METERS
from snellen.train.average import Average
from snellen.train.checkpoint import State
from snellen.train.job import Job
from snellen.train.source import Samples
from snellen.train.step import NonFinite

Rows = Callable[[Samples], Predictions]


@dataclass(frozen=True, slots=True)
class Epoch:
    """What the meters read: the steps' records, the rows of validation and of the fixed training subset, the times."""

    steps: tuple[dict[str, Any], ...]
    validation: Predictions
    training: Predictions
    seconds: float
    evaluation_seconds: float


def rows_of(job: Job, samples: Samples, outputs: list[Tensor]) -> Predictions:
    """Stored rows from the outputs of all batches, in the samples' order."""
    probabilities = torch.cat([job.task.predict(output) for output in outputs]).cpu().numpy()
    return Predictions(samples.ids, samples.targets, probabilities, job.classes)


@torch.no_grad()
def predict(job: Job, samples: Samples) -> Predictions:
    """Rows of the job's model in eval mode, on images of the evaluation size. (No inference mode: its tensors could not
    be trained on afterwards.)"""
    job.model.eval()
    size = job.recipe.data.eval_size or job.recipe.data.size
    outputs = []
    for images in samples.plain(size, *job.normal):
        with job.setting.autocast():
            outputs.append(job.model(job.setting.place(images)))
    return rows_of(job, samples, outputs)


def observe(job: Job, state: State, average: Average, rows: Rows, stage: str) -> None:
    """Evaluate the averaged weights, write every meter's record, and keep the weights where they are the best so far."""
    start = time.perf_counter()
    with average.applied():
        validation, training = rows(job.validation), rows(job.subset)
        keep_if_best(job, state, validation)
    spent = time.perf_counter() - start
    epoch = Epoch(tuple(state.records), validation, training, state.epoch_seconds, spent)
    where = {"stage": stage, "epoch": state.epochs + 1, "step": state.steps}
    job.run.record_all({name: {**where, **METERS.pick(name)(epoch)} for name in METERS.names()})
    state.seconds += state.epoch_seconds + spent


def keep_if_best(job: Job, state: State, validation: Predictions) -> None:
    """Keep the present weights where the recipe's metric is higher than before, or equal with a lower loss.

    Raises NonFinite for rows that are not finite: they can never be the best.
    """
    own = validation.probabilities[np.arange(len(validation.targets)), validation.targets]
    bad = ~np.isfinite(validation.probabilities).all(axis=1)
    if bad.any():
        raise NonFinite("metric", places=np.flatnonzero(bad).tolist())
    score = job.task.score(validation, job.recipe.metric)
    loss = float(-np.log(np.maximum(own, 1e-12)).mean())
    if state.score is None or state.loss is None or (score, -loss) > (state.score, -state.loss):
        state.score, state.loss = score, loss
        state.best = {key: value.detach().cpu().clone() for key, value in job.model.state_dict().items()}
