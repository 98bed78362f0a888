from __future__ import annotations

import pytest

from snellen.improve.aa import false_adoptions, look_through
from snellen.values import SnellenError


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.25])
@pytest.mark.parametrize("samples", [90, 200, 400])
def test_a_recipe_is_not_adopted_against_itself(recorded, samples: int, spread: float) -> None:
    runs = recorded(9, samples, seed=samples, spread=spread)
    adopted, repetitions, (low, high) = false_adoptions(runs, seeds=3)
    assert repetitions == 200
    assert adopted <= 10
    assert low <= adopted / 200 <= high


@pytest.mark.parametrize("metric", ["recall_macro", "f1_macro", "auc", "log_loss", "calibrated_log_loss"])
def test_other_metrics_hold_the_budget_too(recorded, metric: str) -> None:
    assert false_adoptions(recorded(10, 200, seed=7), metric=metric)[0] <= 10


def test_five_points_on_300_samples_are_adopted_in_the_majority(recorded) -> None:
    outcomes, gains = [], []
    for seed in range(60):
        before, after = recorded(3, 300, seed=seed), recorded(3, 300, seed=seed, start=3, gain=0.35)
        gains += [b.correct.mean() - a.correct.mean() for a, b in zip(before, after, strict=True)]
        outcomes.append(look_through(before, after, metric="accuracy")[0])
    assert sum(gains) / len(gains) == pytest.approx(0.05, abs=0.006)
    assert outcomes.count("adopt") > 30


def test_harm_is_never_adopted(recorded) -> None:
    for seed in range(20):
        outcome, _ = look_through(
            recorded(3, 200, seed=seed), recorded(3, 200, seed=seed, start=3, gain=-0.6), metric="accuracy"
        )
        assert outcome != "adopt"


def test_two_arms_need_twice_the_runs(recorded) -> None:
    with pytest.raises(SnellenError, match="need 6 recorded runs, got 5"):
        false_adoptions(recorded(5, 50), seeds=3)
    with pytest.raises(SnellenError, match="different samples"):
        false_adoptions([*recorded(3, 50), *recorded(3, 51)], seeds=3)
    with pytest.raises(SnellenError, match="planned"):
        look_through(recorded(3, 50), recorded(3, 50), metric="accuracy", looks=1)
