from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score, roc_auc_score

from snellen.improve.score import own, paired, scores
from snellen.run import Predictions
from snellen.values import SnellenError


def test_weighted_means_are_the_metrics(recorded) -> None:
    rows = recorded(1, 120)[0]
    expected = {
        "accuracy": accuracy_score(rows.targets, rows.predicted),
        "recall_macro": recall_score(rows.targets, rows.predicted, average="macro"),
        "log_loss": -log_loss(rows.targets, rows.probabilities),
        "f1_macro": f1_score(rows.targets, rows.predicted, average="macro"),
        "auc": np.mean([roc_auc_score(rows.targets == k, rows.probabilities[:, k]) for k in range(len(rows.classes))]),
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


@pytest.mark.parametrize("metric", ["f1_macro", "auc"])
def test_influence_values_spread_as_the_metric_does(recorded, metric: str) -> None:
    """Their standard error is that of the metric over images drawn anew."""
    rows = recorded(1, 300)[0]
    values, weights = scores(rows, metric)
    assert (weights == 1).all()
    chance = np.random.default_rng(0)
    drawn = []
    for _ in range(300):
        places = chance.integers(0, 300, 300)
        part = Predictions(
            tuple(str(place) for place in range(300)), rows.targets[places], rows.probabilities[places], rows.classes
        )
        drawn.append(scores(part, metric)[0].mean())
    assert values.std(ddof=1) / np.sqrt(300) == pytest.approx(np.std(drawn, ddof=1), rel=0.2)


def test_a_class_that_is_only_predicted_is_none_of_f1() -> None:
    shares = np.eye(3)[[0, 0, 1, 2, 1]] * 0.8 + 0.1
    rows = Predictions(tuple("abcde"), np.asarray([0, 0, 1, 1, 1]), shares, ("x", "y", "z"))
    values, _ = scores(rows, "f1_macro")
    assert values.mean() == pytest.approx((1.0 + 0.8) / 2)


def test_one_class_alone_has_no_area() -> None:
    rows = Predictions(("a", "b"), np.asarray([0, 0]), np.asarray([[0.7, 0.3], [0.6, 0.4]]), ("x", "y"))
    with pytest.raises(SnellenError, match="one class alone"):
        scores(rows, "auc")
