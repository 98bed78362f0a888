"""The range test: what it suggests on curves whose answer is known, and that it leaves nothing behind."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from snellen.train.lr_range import lr_range, smoothed, steepest

RATES = 1e-6 * 1e6 ** (np.arange(100) / 99)


def curve(*, falls: float, breaks: float, noise: float = 0.0, depth: float = 1.5) -> np.ndarray:
    """A loss that falls around the rate `falls` and breaks at `breaks`."""
    logs = np.log10(RATES)
    fall = depth / (1 + np.exp(-4 * (logs - np.log10(falls))))
    rise = np.exp(np.clip(8 * (logs - np.log10(breaks)), -50, 3))
    return 2.3 - fall + rise + np.random.default_rng(0).normal(0, noise, len(RATES))


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize(("falls", "breaks"), [(1e-4, 1e-2), (1e-3, 1e-1), (1e-5, 1e-3)])
def test_the_steepest_place_is_found(falls: float, breaks: float, noise: float) -> None:
    found = steepest(RATES, curve(falls=falls, breaks=breaks, noise=noise))
    assert found is not None
    assert falls / 3 < found < falls * 3
    assert found < breaks / 3


def test_noise_alone_suggests_nothing() -> None:
    for seed in range(20):
        flat = 2.3 + np.random.default_rng(seed).normal(0, 0.1, len(RATES))
        assert steepest(RATES, flat) is None
    assert steepest(RATES, np.full(100, 2.3)) is None


def test_a_loss_that_only_rises_suggests_nothing() -> None:
    assert steepest(RATES, 2.3 + np.exp(np.linspace(-8, 2, 100))) is None


def test_too_short_a_curve_suggests_nothing() -> None:
    assert steepest(RATES[:5], np.asarray([3.0, 2.0, 1.0, 0.5, 0.2])) is None


def test_smoothing_does_not_lag() -> None:
    line = np.linspace(0, 1, 100)
    assert np.abs(smoothed(line) - line)[10:-10].max() < 1e-3
    assert len(smoothed([])) == 0


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_the_model_is_put_back(stage: int, job) -> None:
    work = job(tiny.recipe())
    before = {key: value.clone() for key, value in work.model.state_dict().items()}
    found = lr_range(work, stage, low=1e-5, high=1.0, steps=24)
    assert all(value.equal(before[key]) for key, value in work.model.state_dict().items())
    assert all(parameter.grad is None for parameter in work.model.parameters())
    assert len(found.rates) == len(found.losses) == len(found.smoothed) <= 24
    assert found.rates[0] == pytest.approx(1e-5)
    assert list(found.rates) == sorted(found.rates)


def test_it_stops_where_the_loss_blows_up(job) -> None:
    work = job(tiny.recipe({"optim": {"name": "sgd", "clip": None, "lr": 1e-3, "weight_decay": 0.0}}))
    before = {key: value.clone() for key, value in work.model.state_dict().items()}
    found = lr_range(work, 2, low=1e-4, high=1e9, steps=60)
    assert found.stopped in ("blown up", "nonfinite")
    assert len(found.losses) < 60
    assert np.isfinite(found.losses).all()
    assert all(value.equal(before[key]) for key, value in work.model.state_dict().items())


def test_it_is_the_same_twice_and_stops_when_asked(job) -> None:
    work = job(tiny.recipe())
    first, second = (lr_range(work, 2, steps=24) for _ in range(2))
    assert first == second
    asked = lr_range(work, 2, steps=24, stop=lambda: True)
    assert (asked.stopped, len(asked.losses), asked.suggested) == ("asked", 1, None)


def test_what_can_be_learnt_gets_a_rate(job) -> None:
    work = job(tiny.recipe({"augment.parts": [], "augment.mixup": 0.0}))
    found = lr_range(work, 0, low=1e-4, high=10.0, steps=80)
    assert found.suggested is not None
    assert 1e-4 < found.suggested < 5


@pytest.mark.parametrize("name", ["class_balanced", "logit_adjusted", "triplet"])
def test_losses_that_count_the_classes_are_tested_too(name: str, job) -> None:
    work = job(tiny.recipe({"loss": {"name": name}, "augment.mixup": 0.0}))
    assert len(lr_range(work, 0, low=1e-6, high=1e-2, steps=20).losses) == 20
