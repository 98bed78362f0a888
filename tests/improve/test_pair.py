from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import t as student

from snellen.improve.pair import Effect, Spread, needed_samples, pair
from snellen.run import Predictions
from snellen.values import SnellenError


def rows(correct: list[int]) -> Predictions:
    """Two classes, all targets 0: right where `correct` is 1."""
    right = np.asarray(correct, dtype=float)
    return Predictions(
        tuple(f"s{i}" for i in range(len(right))),
        np.zeros(len(right), dtype=int),
        np.stack([right, 1 - right], 1),
        ("x", "y"),
    )


def shuffled(given: Predictions) -> Predictions:
    order = np.random.default_rng(3).permutation(len(given.ids))
    return Predictions(
        tuple(given.ids[i] for i in order), given.targets[order], given.probabilities[order], given.classes
    )


def test_effect_is_the_difference_of_the_metric(recorded) -> None:
    before, after = recorded(3, 200), recorded(3, 200, start=3, gain=1.0)
    effect = pair(before, after, metric="accuracy", level=0.95)
    assert effect.effect == pytest.approx(
        np.mean([r.correct.mean() for r in after]) - np.mean([r.correct.mean() for r in before])
    )
    assert effect.effect == pytest.approx(effect.candidate - effect.baseline)
    assert effect.low < effect.effect < effect.high
    assert (effect.seeds, effect.samples, effect.level) == (3, 200, 0.95)
    assert effect.low > 0
    back = pair(after, before, metric="accuracy", level=0.95)
    assert (back.low, back.high) == pytest.approx((-effect.high, -effect.low))


def test_order_of_samples_does_not_matter(recorded) -> None:
    before, after = recorded(2, 80), recorded(2, 80, start=2)
    for metric in ("accuracy", "recall_macro", "f1_macro", "auc", "log_loss"):
        plain = pair(before, after, metric=metric, level=0.95)
        mixed = pair(before, [shuffled(item) for item in after], metric=metric, level=0.95)
        assert (mixed.effect, mixed.low, mixed.high) == pytest.approx((plain.effect, plain.low, plain.high))


def test_less_log_loss_is_a_positive_effect(recorded) -> None:
    assert pair(recorded(2, 200), recorded(2, 200, start=2, gain=1.0), metric="log_loss", level=0.95).effect > 0


def test_equal_arms_give_zero_with_an_interval_of_zero(recorded) -> None:
    same = recorded(1, 50) * 2
    effect = pair(same, same, metric="accuracy", level=0.95)
    assert (effect.effect, effect.low, effect.high) == (0, 0, 0)


def test_one_seed_is_the_paired_t_interval_over_samples(recorded) -> None:
    before, after = recorded(1, 90)[0], recorded(1, 90, start=1)[0]
    effect = pair([before], [after], metric="accuracy", level=0.9)
    d = after.correct.astype(float) - before.correct
    assert effect.seeds == 1
    assert effect.high - effect.effect == pytest.approx(student.ppf(0.95, 89) * d.std(ddof=1) / np.sqrt(90))


def test_against_components_by_hand() -> None:
    # d = [[1, 0, 0], [0, 0, 0]]: arms' seeds differ only in the candidate, MS_seed 1/6 of it, nothing in the baseline.
    effect = pair([rows([0, 1, 1]), rows([0, 1, 1])], [rows([1, 1, 1]), rows([0, 1, 1])], metric="accuracy", level=0.95)
    assert effect.effect == pytest.approx(1 / 6)
    assert effect.spread.rest == pytest.approx(1 / 6)
    assert effect.spread.seed == pytest.approx(0)
    assert effect.spread.sample == pytest.approx(0)
    assert effect.spread.df_seed == pytest.approx(1)
    error, df = effect.spread.error(2, 3)
    assert error == pytest.approx(1 / 6)
    assert df == 1.0


def test_coverage_with_seed_sample_and_rest() -> None:
    # Normal scores through the loss: log p = what is drawn. The 90 % interval covers at least 90 %, and not nearly all.
    random = np.random.default_rng(0)
    covered, repetitions, seeds, samples = 0, 400, 3, 60
    for _ in range(repetitions):
        sample = random.normal(0, 0.4, samples)
        arms = []
        for shift in (0.0, 0.1):
            reacts = random.normal(0, 0.1, samples)
            score = (
                shift + sample + reacts + random.normal(0, 0.05, (seeds, 1)) + random.normal(0, 0.2, (seeds, samples))
            )
            arms.append([rows(list(np.exp(line - 4))) for line in score])
        effect = pair(*arms, metric="log_loss", level=0.9)
        covered += effect.low <= 0.1 <= effect.high
    assert 0.88 <= covered / repetitions <= 0.99


def test_refusals(recorded) -> None:
    a, b = recorded(2, 40), recorded(2, 40, start=2)
    with pytest.raises(SnellenError, match="pair by seed: got 2 baseline and 1"):
        pair(a, b[:1], metric="accuracy", level=0.95)
    with pytest.raises(SnellenError, match="pair by seed"):
        pair([], [], metric="accuracy", level=0.95)
    with pytest.raises(SnellenError, match="pair by sample"):
        pair(a, recorded(2, 41), metric="accuracy", level=0.95)
    renamed = dataclasses.replace(b[0], ids=(*b[0].ids[:-1], "other"))
    with pytest.raises(SnellenError, match="'sample39' among the missing"):
        pair(a, [renamed, b[1]], metric="accuracy", level=0.95)
    with pytest.raises(SnellenError, match="different questions"):
        pair(a, [dataclasses.replace(b[0], targets=(b[0].targets + 1) % 4), b[1]], metric="accuracy", level=0.95)
    with pytest.raises(SnellenError, match="2 samples or more"):
        pair([rows([1])], [rows([0])], metric="accuracy", level=0.95)
    with pytest.raises(SnellenError, match="level of an interval"):
        pair(a, b, metric="accuracy", level=1.0)


def with_spread(effect: float, **spread: float) -> Effect:
    made = Effect(
        metric="accuracy",
        effect=effect,
        low=0,
        high=0,
        level=0.95,
        samples=100,
        seeds=3,
        baseline=0.8,
        candidate=0.8 + effect,
        spread=Spread(**{"seed": 0.0, "sample": 0.05, "rest": 0.1, "df_seed": 4.0, **spread}),
    )
    return made.at(0.95)


def test_needed_samples_is_where_the_interval_leaves_zero() -> None:
    effect = with_spread(0.03)
    assert effect.low < 0
    number = needed_samples(effect)
    assert number is not None
    for samples, decided in ((number, True), (number - 1, False)):
        again = dataclasses.replace(effect, samples=samples).at(0.95)
        assert (again.low > 0) is decided


def test_needed_samples_is_none_where_seeds_or_no_effect_forbid() -> None:
    assert needed_samples(with_spread(0.03, seed=0.05**2)) is None
    assert needed_samples(with_spread(0.0)) is None
    assert needed_samples(with_spread(0.0), margin=0.02) is not None
