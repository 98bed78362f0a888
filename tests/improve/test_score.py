from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, recall_score

from snellen.improve.score import METRICS, scores
from snellen.run import Predictions
from snellen.values import SnellenError


def test_weighted_means_are_the_metrics(recorded) -> None:
    rows = recorded(1, 120)[0]
    expected = {
        "accuracy": accuracy_score(rows.targets, rows.predicted),
        "recall_macro": recall_score(rows.targets, rows.predicted, average="macro"),
        "log_loss": -log_loss(rows.targets, rows.probabilities),
    }
    assert set(expected) == set(METRICS)
    for metric, value in expected.items():
        values, weights = scores(rows, metric)
        assert values.shape == weights.shape == (120,)
        assert (values * weights).mean() == pytest.approx(value)


def test_a_certain_mistake_has_a_finite_loss() -> None:
    rows = Predictions(("a",), np.array([0]), np.array([[0.0, 1.0]]), ("x", "y"))
    assert scores(rows, "log_loss")[0] == pytest.approx(np.log(1e-7))


def test_refusals(recorded) -> None:
    rows = recorded(1, 10)[0]
    with pytest.raises(SnellenError, match="did you mean 'accuracy'"):
        scores(rows, "acuracy")
    with pytest.raises(SnellenError, match="not finite"):
        scores(Predictions(rows.ids, rows.targets, rows.probabilities * np.nan, rows.classes), "accuracy")
    with pytest.raises(SnellenError, match="no samples"):
        scores(Predictions((), rows.targets[:0], rows.probabilities[:0], rows.classes), "accuracy")
