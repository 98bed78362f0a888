"""Scores per sample, as the rows' task gives them: what a paired effect is made of. Signed so that more is better."""

from __future__ import annotations

import numpy as np

from snellen.rows import Rows
from snellen.shelf import TASKS, hint
from snellen.values import SnellenError


def scores(rows: Rows, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Values [n] and weights [n] of a metric, in the order of the rows; mean(values × weights) is the metric.

    Raises SnellenError where the metric has no score per sample, there are no rows, or what was predicted is not finite.
    """
    known = paired(rows.task)
    if metric not in known:
        raise SnellenError(f"metric {metric!r} has no score per sample to pair{hint(metric, known)}")
    if not len(rows.ids):
        raise SnellenError(f"there are no samples to score {metric} on; give the validation split some")
    if not rows.finite.all():
        raise SnellenError("some predictions are not finite numbers: the training broke; look at its findings")
    values, weights = TASKS.pick(rows.task)().paired(rows, metric)
    return np.asarray(values), np.asarray(weights)


def paired(task: str) -> tuple[str, ...]:
    """Names of the metrics of a task that have a score per sample."""
    return tuple(TASKS.constant(task, "PAIRED") or ())


def own(task: str) -> tuple[str, ...]:
    """Those of them that a recipe may be judged by; the others are for remedies that claim them."""
    return tuple(TASKS.constant(task, "OWN") or ())
