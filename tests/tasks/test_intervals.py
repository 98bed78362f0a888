from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from snellen.run import Predictions
from snellen.tasks._intervals import bootstrap, interval, wilson
from snellen.tasks._scores import METRICS
from snellen.values import SnellenError


def made(n: int = 200, k: int = 6, *, seed: int = 0) -> Predictions:
    random = np.random.default_rng(seed)
    targets = random.integers(k, size=n)
    logits = random.normal(size=(n, k)) + 2 * np.eye(k)[targets]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(tuple(map(str, range(n))), targets, probabilities, tuple("abcdef"[:k]))


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (344, 372), (1, 2)])
def test_wilson_against_scipy(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_every_metric_has_an_interval_around_it() -> None:
    rows = made()
    for name in METRICS:
        found = interval(name, rows, draws=200)
        assert found["low"] < found["high"]
        assert found["n"] == 200
        assert found["value"] == METRICS[name](rows.targets, rows.probabilities)
        # The calibration error of a draw is biased upwards; the others' draws lie around the value.
        assert name == "ece" or found["low"] <= found["value"] <= found["high"]


def test_accuracy_is_wilsons() -> None:
    rows = made()
    found = interval("accuracy", rows)
    assert (found["low"], found["high"]) == wilson(int(rows.correct.sum()), 200)
    assert found["draws"] == 0


def test_bootstrap_spreads_as_theory_says_and_repeats_with_its_seed() -> None:
    rows = made(400)
    draws = bootstrap(METRICS["recall_macro"], rows, seed=4)
    assert len(draws) == 1000
    recalls = np.asarray([rows.correct[rows.targets == c].mean() for c in range(6)])
    counts = np.bincount(rows.targets)
    expected = np.sqrt((recalls * (1 - recalls) / counts).sum()) / 6
    assert draws.std() == pytest.approx(expected, rel=0.1)
    assert (draws == bootstrap(METRICS["recall_macro"], rows, seed=4)).all()
    assert (draws != bootstrap(METRICS["recall_macro"], rows, seed=5)).any()


def test_not_defined_and_refused() -> None:
    found = interval("top5", made(50, 3))
    assert (found["value"], found["low"], found["high"], found["n"]) == (None, None, None, 50)
    with pytest.raises(SnellenError, match="did you mean 'accuracy'"):
        interval("acuracy", made())
    with pytest.raises(SnellenError, match="no share"):
        wilson(3, 2)
