"""Scores of a classification: pure functions of targets [n] (class index) and probabilities [n, k], no torch.

Macro averages run over the classes that have targets (scikit-learn's `labels=unique(targets)`): a class without samples
has no recall to average. None means that the score is not defined for these rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import rankdata

from snellen.values import SnellenError

FLOOR = 1e-7


def confusion(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Counts [k, k]: row = target, column = most probable class (the first of equals)."""
    targets, probabilities = check(targets, probabilities)
    k = probabilities.shape[1]
    return np.bincount(targets * k + probabilities.argmax(axis=1), minlength=k * k).reshape(k, k)


def accuracy(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of samples whose most probable class is the target."""
    targets, probabilities = check(targets, probabilities)
    return float((probabilities.argmax(axis=1) == targets).mean())


def top5(targets: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Share of samples whose target is among the five most probable classes; None with five classes or fewer."""
    targets, probabilities = check(targets, probabilities)
    if probabilities.shape[1] <= 5:
        return None
    own = probabilities[np.arange(len(targets)), targets][:, None]
    earlier = np.arange(probabilities.shape[1]) < targets[:, None]
    ahead = (probabilities > own) | ((probabilities == own) & earlier)
    return float((ahead.sum(axis=1) < 5).mean())


def per_class(targets: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """`precision`, `recall`, `f1` and `support`, each [k]; NaN for a class without targets, 0 where never predicted."""
    counts = confusion(targets, probabilities)
    hits, support, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    there = support > 0
    return {
        "precision": np.where(there, hits / np.maximum(predicted, 1), np.nan),
        "recall": np.where(there, hits / np.maximum(support, 1), np.nan),
        "f1": np.where(there, 2 * hits / np.maximum(support + predicted, 1), np.nan),
        "support": support,
    }


def precision_macro(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over classes of the share of a class's predictions that are right."""
    return float(np.nanmean(per_class(targets, probabilities)["precision"]))


def recall_macro(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over classes of the share of a class's samples that are found (balanced accuracy)."""
    return float(np.nanmean(per_class(targets, probabilities)["recall"]))


def f1_macro(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over classes of the harmonic mean of precision and recall."""
    return float(np.nanmean(per_class(targets, probabilities)["f1"]))


def auc(targets: np.ndarray, probabilities: np.ndarray) -> float | None:
    """Area under the ROC curve, one class against the rest, mean over classes; None where fewer than 2 have targets.

    By ranks (Mann & Whitney 1947; ties count half): each class is ranked by its own column.
    """
    targets, probabilities = check(targets, probabilities)
    counts = np.bincount(targets, minlength=probabilities.shape[1])
    there = np.flatnonzero(counts)
    if len(there) < 2:
        return None
    ranks = rankdata(probabilities[:, there], axis=0)
    own = np.where(targets[:, None] == there, ranks, 0.0).sum(axis=0)
    n = counts[there]
    return float(((own - n * (n + 1) / 2) / (n * (len(targets) - n))).mean())


def ece(targets: np.ndarray, probabilities: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error: |accuracy - confidence| over equal-width bins of confidence, weighted by samples.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017; bins are closed on the right.
    """
    targets, probabilities = check(targets, probabilities)
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == targets
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(place, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(targets))


def log_loss(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of -log of the target's probability in nats; probabilities are clipped at 1e-7. Less is better."""
    targets, probabilities = check(targets, probabilities)
    own = probabilities[np.arange(len(targets)), targets].astype(np.float64)
    return float(-np.log(np.clip(own, FLOOR, 1.0)).mean())


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float | None]] = {
    "accuracy": accuracy,
    "top5": top5,
    "precision_macro": precision_macro,
    "recall_macro": recall_macro,
    "f1_macro": f1_macro,
    "auc": auc,
    "ece": ece,
    "log_loss": log_loss,
}

# Of the others more is better.
LESS_IS_BETTER = ("ece", "log_loss")


def check(targets: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two as arrays; raises SnellenError where shapes do not fit, there is no row, or a number is not finite."""
    targets, probabilities = np.asarray(targets), np.asarray(probabilities)
    if targets.ndim != 1 or probabilities.ndim != 2 or len(targets) != len(probabilities):
        raise SnellenError(f"targets {targets.shape} and probabilities {probabilities.shape}: expected [n] and [n, k]")
    if not len(targets):
        raise SnellenError("there are no rows to score; the split is empty")
    if targets.min() < 0 or targets.max() >= probabilities.shape[1]:
        raise SnellenError(
            f"targets run from {targets.min()} to {targets.max()}, expected 0 to {probabilities.shape[1] - 1}"
        )
    if not np.isfinite(probabilities).all():
        raise SnellenError("some probabilities are not finite numbers: the model that made them is broken")
    return targets, probabilities
