"""Scores per sample: what a paired effect is made of. Every score is signed so that more is better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snellen.run import Predictions
from snellen.shelf import hint
from snellen.values import SnellenError

# A probability of exactly 0 would make one sample's loss infinite and the mean with it.
FLOOR = 1e-7


def accuracy(rows: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """1 where the most probable class is the target, else 0; all samples weigh 1."""
    return rows.correct.astype(np.float64), np.ones(len(rows.ids))


def recall_macro(rows: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """1 where correct, weighted so that the mean of value × weight is the recall averaged over the classes present.

    A sample of a class with c of the n samples weighs n / (K c), K being the number of classes that have samples.
    """
    _, inverse, counts = np.unique(rows.targets, return_inverse=True, return_counts=True)
    return rows.correct.astype(np.float64), len(rows.ids) / (len(counts) * counts[inverse])


def log_loss(rows: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the target's probability in nats (the *negative* log loss, so that more is better); weights 1."""
    chosen = rows.probabilities[np.arange(len(rows.ids)), rows.targets].astype(np.float64)
    return np.log(np.clip(chosen, FLOOR, 1.0)), np.ones(len(rows.ids))


METRICS: dict[str, Callable[[Predictions], tuple[np.ndarray, np.ndarray]]] = {
    "accuracy": accuracy,
    "log_loss": log_loss,
    "recall_macro": recall_macro,
}


def scores(rows: Predictions, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Values [n] and weights [n] of a metric, in the order of the rows; mean(values × weights) is the metric.

    Raises SnellenError where the metric has no score per sample, there are no rows, or a probability is not finite.
    """
    if metric not in METRICS:
        raise SnellenError(f"metric {metric!r} has no score per sample to pair{hint(metric, tuple(METRICS))}")
    if not len(rows.ids):
        raise SnellenError(f"there are no samples to score {metric} on; give the validation split some")
    if not np.isfinite(rows.probabilities).all():
        raise SnellenError(
            "some predicted probabilities are not finite numbers: the training broke; look at its findings"
        )
    return METRICS[metric](rows)
