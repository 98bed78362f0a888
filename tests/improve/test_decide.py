from __future__ import annotations

import pytest

from snellen.improve.decide import coverage, decide
from snellen.improve.pair import Effect, Spread
from snellen.values import SnellenError

LEVEL = coverage(0.05, 2, look=1, last=False)


def effect(value: float, reach: float, *, metric: str = "accuracy", seeds: int = 3, samples: int = 300) -> Effect:
    return Effect(
        metric=metric,
        effect=value,
        low=value - reach,
        high=value + reach,
        level=LEVEL,
        samples=samples,
        seeds=seeds,
        baseline=0.8,
        candidate=0.8 + value,
        spread=Spread(seed=0.0, sample=0.05, rest=0.1, df_seed=4.0),
    )


def outcome(*args: Effect | None, last: bool = False) -> tuple[str, str]:
    first, *rest = args
    return decide(first, rest[0] if rest else None, alpha=0.05, planned_looks=2, look=1, last=last, margin=0.01)


def test_budget_is_shared_by_all_looks() -> None:
    assert coverage(0.05, 1, look=1, last=True) == pytest.approx(0.90)
    for trials, looks in ((1, 2), (3, 2), (2, 4), (5, 1)):
        levels = [coverage(0.05, trials * looks, look=k, last=k == looks) for k in range(1, looks + 1)]
        assert trials * sum((1 - level) / 2 for level in levels) == pytest.approx(0.05)
        assert levels == sorted(levels, reverse=True), "the last look must have the largest share"


@pytest.mark.parametrize(
    ("given", "last", "expected"),
    [
        (effect(0.05, 0.03), False, "adopt"),
        (effect(0.05, 0.03, seeds=1), False, "continue"),
        (effect(0.05, 0.03, seeds=1), True, "undecided"),
        (effect(0.3, 0.2, samples=12), True, "undecided"),
        (effect(-0.05, 0.03), False, "reject"),
        (effect(0.0, 0.009), False, "reject"),
        (effect(0.0, 0.0), True, "reject"),
        (effect(0.02, 0.03), False, "continue"),
        (effect(0.02, 0.03), True, "undecided"),
    ],
)
def test_outcomes(given: Effect, last: bool, expected: str) -> None:
    assert outcome(given, last=last)[0] == expected


def test_a_real_gain_below_the_margin_is_no_useful_gain() -> None:
    assert outcome(effect(0.004, 0.002))[0] == "reject"


@pytest.mark.parametrize(
    ("own", "last", "expected"),
    [
        (effect(0.0, 0.03), True, "adopt"),
        (effect(-0.01, 0.03), True, "adopt"),
        (effect(-0.02, 0.03), True, "undecided"),
        (effect(-0.02, 0.03), False, "continue"),
        (effect(-0.02, 0.01), False, "reject"),
        (effect(-0.005, 0.001), False, "reject"),
    ],
)
def test_the_recipes_own_metric_must_not_pay(own: Effect, last: bool, expected: str) -> None:
    assert outcome(effect(0.05, 0.03, metric="recall_macro"), own, last=last)[0] == expected


def test_reasons_have_the_numbers() -> None:
    reason = outcome(effect(0.02, 0.03), last=True)[1]
    for part in (
        "+2.00 points",
        "98 % interval -1.00 points to +5.00 points",
        "3 seeds × 300 samples",
        "validation samples would",
    ):
        assert part in reason
    assert "nats" in outcome(effect(0.02, 0.001, metric="log_loss"))[1]
    assert "second" in outcome(effect(0.05, 0.03, seeds=1), last=True)[1]
    assert "no difference" in outcome(effect(0.0, 0.0))[1]


def test_a_look_or_a_level_outside_the_budget_is_refused() -> None:
    with pytest.raises(SnellenError, match="look 3 was not planned"):
        decide(effect(0.05, 0.03), None, alpha=0.05, planned_looks=2, look=3, last=True, margin=0.01)
    with pytest.raises(SnellenError, match=r"asks for 0\.9933"):
        decide(effect(0.05, 0.03), None, alpha=0.05, planned_looks=6, look=1, last=False, margin=0.01)
    with pytest.raises(SnellenError, match="error budget"):
        coverage(0.7, 2, look=1, last=True)
