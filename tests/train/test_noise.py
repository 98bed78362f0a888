"""The probability of a wrong label can be believed, whatever the share of wrong labels and however bold the heads are."""

from __future__ import annotations

import numpy as np
import pytest

from snellen.train.noise import wrong


def judged(rate: float, *, bold: float = 1.0, count: int = 3000, classes: int = 6) -> tuple[np.ndarray, ...]:
    """Shares [n, k] of heads that see noisily what the class is, labels [n], and which of them are wrong [n]."""
    chance = np.random.default_rng(7)
    truth = chance.integers(0, classes, count)
    evidence = chance.normal(0, 1, (count, classes))
    evidence[np.arange(count), truth] += 3.0
    shares = np.exp(bold * 3.0 * evidence)
    shares /= shares.sum(axis=1, keepdims=True)
    labels = truth.copy()
    turned = chance.random(count) < rate
    labels[turned] = (truth[turned] + chance.integers(1, classes, turned.sum())) % classes
    return shares, labels, turned


@pytest.mark.parametrize("bold", [0.3, 1.0, 1.5])
@pytest.mark.parametrize("rate", [0.02, 0.08, 0.2])
def test_the_expected_share_of_wrong_labels_is_the_real_one(rate: float, bold: float) -> None:
    shares, labels, turned = judged(rate, bold=bold)
    found = wrong(shares, labels)
    assert found.mean() == pytest.approx(rate, abs=0.012)
    worst = np.argsort(-found)
    expected = np.cumsum(found[worst]) / np.arange(1, len(worst) + 1)
    listed = worst[expected >= 0.67]
    assert turned[listed].mean() > 0.55
    assert turned[listed].sum() >= 0.8 * turned.sum()


def test_without_wrong_labels_none_is_expected() -> None:
    shares, labels, _ = judged(0.0)
    assert wrong(shares, labels).mean() < 0.005


def test_certain_shares_and_two_classes_are_no_error() -> None:
    found = wrong(np.asarray([[1.0, 0.0]] * 20 + [[0.0, 1.0]]), np.zeros(21, dtype=np.int64))
    assert np.isfinite(found).all()
    assert found[-1] > 0.9 > 0.1 > found[0]


def test_many_samples_are_fitted_on_some() -> None:
    shares, labels, _turned = judged(0.1, count=12_000)
    assert wrong(shares, labels).mean() == pytest.approx(0.1, abs=0.01)
