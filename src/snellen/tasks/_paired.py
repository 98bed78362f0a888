"""Scores of each sample for class predictions: what a paired effect is made of. Every score is signed so that more is better.

F1 and AUC are no means over samples. Their share of each sample comes from the metric's slope (influence values of the delta method;
Efron 1982, chapter 6): their mean is the metric, exactly, and two arms are paired by them sample by sample.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

from snellen.rows import FLOOR, Predictions
from snellen.tasks._scores import auc as auc_of
from snellen.tasks._scores import confusion, per_class
from snellen.tasks._temperature import crossed
from snellen.values import SnellenError


def accuracy(rows: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """1 where the most probable class is the target, else 0; all samples weigh 1."""
    return rows.correct.astype(np.float64), np.ones(len(rows.ids))


def recall_macro(rows: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """1 where correct, weighted so that the mean of value × weight is the recall averaged over the classes present.

    A sample of a class with c of the n samples weighs n / (K c), K being the number of classes that have samples.
    """
    _, inverse, counts = np.unique(rows.targets, return_inverse=True, return_counts=True)
    return rows.correct.astype(np.float64), len(rows.ids) / (len(counts) * counts[inverse])


def f1_macro(rows: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Influence values of F1 averaged over the classes present; weights 1.

    Of a class with s samples, p predictions and h hits F1 is 2 h / (s + p): its slope along h is 2 / (s + p), along s and along p
    it is -F1 / (s + p). A sample adds to s of its class, to p of the predicted one, and where they agree to h.
    """
    counts = confusion(rows.targets, rows.probabilities)
    scores = per_class(rows.targets, rows.probabilities)["f1"]
    there = np.isfinite(scores)
    both = np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1)
    # What is predicted and has no sample is no class of the mean.
    costs, gains = np.where(there, scores, 0.0) / both, 2 * there / both
    own = gains[rows.targets] * rows.correct - costs[rows.targets] - costs[rows.predicted]
    return np.mean(scores[there]) + len(rows.ids) / there.sum() * own, np.ones(len(rows.ids))


def auc(rows: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Influence values of the area under the ROC curve of each class against the rest, averaged over the classes present; weights 1.

    DeLong, DeLong & Clarke-Pearson 1988 (doi:10.2307/2531595): of a sample of the class the share of the others that it is above,
    of another sample the share of the class that is above it; ties count half. Raises SnellenError where one class alone is present.
    """
    middle = auc_of(rows.targets, rows.probabilities)
    if middle is None:
        raise SnellenError("auc is not defined where one class alone is present; choose another metric")
    there, n = np.unique(rows.targets), len(rows.ids)
    values = np.zeros(n)
    for number in there:
        mine = rows.targets == number
        ranks = rankdata(rows.probabilities[:, number])
        placed = np.empty(n)
        # A rank among all less the rank among one's own is the number of the others that are below.
        for side in (mine, ~mine):
            placed[side] = (ranks[side] - rankdata(rows.probabilities[side, number])) / (n - side.sum())
        placed[~mine] = 1 - placed[~mine]
        values += np.where(mine, n / mine.sum(), n / (~mine).sum()) * (placed - placed[mine].mean()) / len(there)
    return middle + values, np.ones(n)


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
    "auc": auc,
    "calibrated_log_loss": calibrated_log_loss,
    "f1_macro": f1_macro,
    "log_loss": log_loss,
    "recall_macro": recall_macro,
}
