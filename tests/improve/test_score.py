from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, recall_score

from snellen.improve.score import own, paired, scores
from snellen.run import Predictions
from snellen.values import SnellenError


def test_weighted_means_are_the_metrics(recorded) -> None:
    rows = recorded(1, 120)[0]
    expected = {
        "accuracy": accuracy_score(rows.targets, rows.predicted),
        "recall_macro": recall_score(rows.targets, rows.predicted, average="macro"),
        "log_loss": -log_loss(rows.targets, rows.probabilities),
    }
    task = "classification"
    assert set(expected) == set(own(task)) == set(paired(task)) - {"calibrated_log_loss"}
    for metric, value in expected.items():
        values, weights = scores(rows, metric)
        assert values.shape == weights.shape == (120,)
        assert (values * weights).mean() == pytest.approx(value)


def test_a_certain_mistake_has_a_finite_loss() -> None:
    rows = Predictions(("a",), np.array([0]), np.array([[0.0, 1.0]]), ("x", "y"))
    assert scores(rows, "log_loss")[0] == pytest.approx(np.log(1e-7))


def _at(rows: Predictions, heat: float) -> Predictions:
    logits = np.log(rows.probabilities) / heat
    hot = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Predictions(rows.ids, rows.targets, hot / hot.sum(axis=1, keepdims=True), rows.classes)


def test_boldness_does_not_count_once_it_is_calibrated(recorded) -> None:
    rows = recorded(1, 400)[0]
    values = scores(rows, "calibrated_log_loss")[0]
    for heat in (0.5, 2.0):
        assert scores(_at(rows, heat), "calibrated_log_loss")[0] == pytest.approx(values, abs=5e-3)
        assert scores(_at(rows, heat), "log_loss")[0].mean() < values.mean()
    best = max(scores(_at(rows, heat), "log_loss")[0].mean() for heat in np.linspace(0.3, 3, 100))
    # The other half's temperature is nearly as good as one's own, and never better on the whole.
    assert best - 0.02 < values.mean() <= best + 1e-6


def test_a_calibrated_loss_is_each_samples_own(recorded) -> None:
    """Neither the order of the rows nor a single sample matters."""
    rows = recorded(1, 60)[0]
    values = scores(rows, "calibrated_log_loss")[0]
    turned = np.arange(60)[::-1]
    back = Predictions(
        tuple(rows.ids[i] for i in turned), rows.targets[turned], rows.probabilities[turned], rows.classes
    )
    assert scores(back, "calibrated_log_loss")[0][::-1] == pytest.approx(values, abs=1e-6)
    one = Predictions(rows.ids[:1], rows.targets[:1], rows.probabilities[:1], rows.classes)
    assert scores(one, "calibrated_log_loss")[0] == pytest.approx(scores(one, "log_loss")[0])


def test_refusals(recorded) -> None:
    rows = recorded(1, 10)[0]
    with pytest.raises(SnellenError, match="did you mean 'accuracy'"):
        scores(rows, "acuracy")
    with pytest.raises(SnellenError, match="not finite"):
        scores(Predictions(rows.ids, rows.targets, rows.probabilities * np.nan, rows.classes), "accuracy")
    with pytest.raises(SnellenError, match="no samples"):
        scores(Predictions((), rows.targets[:0], rows.probabilities[:0], rows.classes), "accuracy")
