"""Preparing: what is settled before training begins."""

from __future__ import annotations

import pytest

from snellen import prepare, survey
from snellen.budget import ENDING, ending
from snellen.ending import timing
from snellen.recipe import Recipe
from snellen.train.machine import Setting

TINY = {"model": {"name": "test_efficientnet", "weights": "none"}, "train.batch": 32, "data.size": 32}


@pytest.mark.parametrize(("fits", "parts"), [(32, 1), (16, 2), (11, 3), (1, 32)])
def test_parts_are_as_few_as_the_memory_asks_for(fits: int, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "largest_batch", lambda model, setting, *, size, batch: fits)
    recipe = Recipe().change({**TINY, "train.accumulate": "auto"})
    assert prepare._parts(recipe, Setting()) == {"train.accumulate": parts}


def test_what_is_kept_for_the_ending_follows_the_budget() -> None:
    kept = [ending(budget) for budget in (30.0, 160.0, 3600.0)]
    assert kept == sorted(kept)
    assert kept[0] < 10
    assert kept[-1] == ENDING
    assert [timing(budget) for budget in (None, 10.0, 160.0, 3600.0)] == [4.0, 0.5, 1.6, 4.0]


def test_looks_that_cost_much_follow_the_budget() -> None:
    judged = [survey._masks(budget) for budget in (10.0, 90.0, 600.0, None)]
    assert judged == [survey.LEAST_MASKS, 135, 900, survey.MOST_JUDGED]


def test_parts_that_the_user_gave_stay() -> None:
    assert prepare._parts(Recipe().change({**TINY, "train.accumulate": 4}), Setting()) == {}


def test_memory_is_really_looked_at() -> None:
    recipe = Recipe().change({**TINY, "train.accumulate": "auto", "train.checkpointing": True})
    assert prepare._parts(recipe, Setting(compile=True)) == {"train.accumulate": 1}


@pytest.mark.parametrize(
    ("given", "size", "small"), [({}, 128, 64), ({"data.size": 224}, 224, 64), ({"data.size": 64}, 64, 32)]
)
def test_the_probe_takes_the_size_that_the_user_gave(given: dict[str, int], size: int, small: int) -> None:
    assert prepare.shape_of(Recipe().change(given), given) == {"size": size, "small": small, "batch": 32}


def test_what_is_likely_to_be_advised_is_probed() -> None:
    """The network with the filter that it begins as; what is set stays, and a network that knows no filter is left alone."""
    denoiser = Recipe.make({"task": "denoising"}).change({"model.name": "residual_unet"})
    assert prepare._likely(denoiser).model.settings == {"start": 70.0}
    own = denoiser.change({"model.settings": {"start": 40.0, "channels": 8}})
    assert prepare._likely(own).model.settings == own.model.settings
    for other in (denoiser.change({"model.name": "edsr"}), Recipe()):
        assert prepare._likely(other) is other
