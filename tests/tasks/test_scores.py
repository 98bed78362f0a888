from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics
from torchmetrics.functional import classification as tm

from snellen.tasks import _scores as scores
from snellen.values import SnellenError


def made(n: int = 200, k: int = 7, *, seed: int = 0, absent: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = random.integers(k, size=n)
    if absent is not None:
        targets[targets == absent] = (absent + 1) % k
    logits = random.normal(size=(n, k)) + 2 * np.eye(k)[targets]
    return targets, (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("absent", [None, 2])
def test_against_scikit_learn(absent: int | None) -> None:
    targets, probabilities = made(absent=absent)
    labels, predicted = np.unique(targets), probabilities.argmax(axis=1)
    macro = {"labels": labels, "average": "macro", "zero_division": 0}
    assert scores.accuracy(targets, probabilities) == pytest.approx(metrics.accuracy_score(targets, predicted))
    assert scores.precision_macro(targets, probabilities) == pytest.approx(
        metrics.precision_score(targets, predicted, **macro)
    )
    assert scores.recall_macro(targets, probabilities) == pytest.approx(
        metrics.recall_score(targets, predicted, **macro)
    )
    assert scores.f1_macro(targets, probabilities) == pytest.approx(metrics.f1_score(targets, predicted, **macro))
    assert scores.top5(targets, probabilities) == pytest.approx(
        metrics.top_k_accuracy_score(targets, probabilities, k=5, labels=range(7))
    )
    assert (
        scores.confusion(targets, probabilities) == metrics.confusion_matrix(targets, predicted, labels=range(7))
    ).all()
    own = [metrics.roc_auc_score(targets == label, probabilities[:, label]) for label in labels]
    assert scores.auc(targets, probabilities) == pytest.approx(np.mean(own))
    per_class = metrics.precision_recall_fscore_support(targets, predicted, labels=labels, zero_division=0)
    found = scores.per_class(targets, probabilities)
    for name, expected in zip(("precision", "recall", "f1", "support"), per_class, strict=True):
        assert found[name][labels] == pytest.approx(expected)


def test_log_loss_against_scikit_learn() -> None:
    targets, probabilities = made()
    expected = metrics.log_loss(
        targets, probabilities.astype(float) / probabilities.sum(axis=1, keepdims=True, dtype=float)
    )
    assert scores.log_loss(targets, probabilities) == pytest.approx(expected, abs=1e-6)
    assert scores.log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(-np.log(1e-7))


def test_ece_against_torchmetrics() -> None:
    targets, probabilities = made(500)
    expected = tm.multiclass_calibration_error(
        torch.tensor(probabilities), torch.tensor(targets), num_classes=7, n_bins=15
    )
    assert scores.ece(targets, probabilities) == pytest.approx(float(expected), abs=1e-6)
    assert scores.ece(np.array([0, 0]), np.array([[1.0, 0.0], [1.0, 0.0]])) == 0


def test_two_classes_and_ties() -> None:
    targets = np.array([0, 1, 1, 0])
    level = np.full((4, 2), 0.5)
    assert scores.auc(targets, level) == 0.5
    assert scores.accuracy(targets, level) == 0.5
    assert scores.top5(targets, level) is None
    targets, probabilities = made(60, 2)
    assert scores.auc(targets, probabilities) == pytest.approx(
        metrics.roc_auc_score(targets, probabilities[:, 1]), abs=1e-6
    )


def test_top5_of_equal_probabilities_counts_the_first_five() -> None:
    assert scores.top5(np.arange(10), np.full((10, 10), 0.1)) == 0.5


def test_not_defined_and_refused() -> None:
    targets, probabilities = made(20)
    assert scores.auc(np.zeros(20, dtype=int), probabilities) is None
    with pytest.raises(SnellenError, match="no rows"):
        scores.accuracy(targets[:0], probabilities[:0])
    with pytest.raises(SnellenError, match="not finite"):
        scores.auc(targets, probabilities * np.nan)
    with pytest.raises(SnellenError, match="expected 0 to 6"):
        scores.accuracy(targets + 1, probabilities)
    with pytest.raises(SnellenError, match=r"expected \[n\] and \[n, k\]"):
        scores.accuracy(targets[:5], probabilities)
