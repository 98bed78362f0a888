"""The recipe's loss, told what it needs to know of the training samples."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from snellen.recipe import Recipe
from snellen.shelf import LOSSES
from snellen.train.job import Job
from snellen.train.step import LossFunction
from snellen.values import SnellenError


def objective(job: Job) -> LossFunction:
    """loss(output of the network in training, targets) -> [n].

    A loss that NEEDS "counts" is given the number of training images of every class, one that NEEDS a "critic" the network's own.
    Raises SnellenError for settings that do not fit, and where the library that a loss adapts is missing.
    """
    try:
        made: Any = job.task.loss(job.recipe)
        if "critic" in _needs(job.recipe):
            made = made(job.model.critic)
        loss: LossFunction = made(_counts(job)) if "counts" in _needs(job.recipe) else made
        return loss
    except (ValueError, ImportError) as error:
        raise SnellenError(str(error)) from error


def headed_by(recipe: Recipe) -> str:
    """The loss, settings included, where it brings a classifier of its own; else nothing."""
    return _text(recipe) if "head" in _needs(recipe) else ""


def kind_of(job: Job) -> str:
    """What networks must have in common for their loss to be computed for all of them at once.

    A loss that looks at its batch is computed for each alone: the others' samples are not of its batch.
    """
    needs, parts = _needs(job.recipe), [_text(job.recipe)]
    if "counts" in needs:
        parts.append(str(_counts(job)))
    if "batch" in needs:
        parts.append(f"{job.recipe.id}-{job.recipe.seed}")
    return " ".join(parts)


def _needs(recipe: Recipe) -> tuple[str, ...]:
    return tuple(LOSSES.constant(recipe.loss.name, "NEEDS") or ())


def _text(recipe: Recipe) -> str:
    return json.dumps(recipe.loss.model_dump(mode="json"), sort_keys=True)


def _counts(job: Job) -> tuple[int, ...]:
    return tuple(np.bincount(job.training.targets, minlength=len(job.classes)).tolist())
