"""Scores of each sample for class predictions: what a paired effect is made of. Every score is signed so that more is better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from snellen.rows import FLOOR, Predictions
from snellen.tasks._temperature import crossed


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


def calibrated_log_loss(rows: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """The negative log loss in nats at the arm's own best temperature, so that arms are compared by what they know and not
    by how boldly they say it: label smoothing or an early epoch make a model shy, over-fitting makes it bold, and one number
    fitted afterwards mends either. Weights 1.

    Ashukha et al. 2020 (arXiv:2002.06470, section 4.2); temperature: Guo et al. 2017 (arXiv:1706.04599). Each half of the
    samples, drawn by id, has the temperature that was fitted on the other half.
    """
    return log_loss(crossed(rows))


METRICS: dict[str, Callable[[Predictions], tuple[np.ndarray, np.ndarray]]] = {
    "accuracy": accuracy,
    "calibrated_log_loss": calibrated_log_loss,
    "log_loss": log_loss,
    "recall_macro": recall_macro,
}
