"""The temperature at the end: fitted, proved on halves, divided into the weights, and left where it does not help."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from snellen import store
from snellen.case import Case
from snellen.improve.heal import Healed
from snellen.improve.lab import Lab
from snellen.rows import Predictions
from snellen.tasks._temperature import at, crossed, temperature
from snellen.temper import LEAST, temper
from snellen.train.machine import Setting

SHORT = {"stages": [{"name": "head", "unfreeze": "head", "epochs": 4}], "augment.mixup": 0.0}


@pytest.fixture
def lab(tmp_path: Path, cache: Path) -> Lab:
    catalog, pixels = tiny.material()
    return Lab(Case(tmp_path / "case"), catalog, pixels, Setting(), cache, lambda event: None, lambda: False, None)


def rows(sure: float, right: float, n: int = 400) -> Predictions:
    """Two classes; so sure of one, and right so often."""
    targets = (np.arange(n) >= right * n).astype(np.int64)
    probabilities = np.tile([sure, 1 - sure], (n, 1))
    return Predictions(tuple(f"s{i}" for i in range(n)), targets, probabilities, ("a", "b"))


@pytest.mark.parametrize(("sure", "right"), [(0.99, 0.8), (0.6, 0.9), (0.8, 0.8)])
def test_the_temperature_makes_a_model_as_sure_as_it_is_right(sure: float, right: float) -> None:
    found = at(rows(sure, right), temperature(rows(sure, right)))
    assert found.probabilities[:, 0].mean() == pytest.approx(right, abs=0.005)
    assert (found.predicted == rows(sure, right).predicted).all()


def test_no_image_has_a_part_in_its_own_temperature() -> None:
    given = rows(0.99, 0.8)
    before = crossed(given)
    other = Predictions(
        given.ids, np.where(np.arange(400) == 7, 1 - given.targets, given.targets), given.probabilities, ("a", "b")
    )
    changed = np.flatnonzero((crossed(other).probabilities != before.probabilities).any(axis=1))
    assert len(changed)
    assert 7 not in changed


def spoiled(lab: Lab, factor: float, monkeypatch: pytest.MonkeyPatch) -> Healed:
    """A run whose classifier is so many times too sure."""
    monkeypatch.setattr("snellen.temper.LEAST", 10)
    recipe = tiny.recipe(SHORT)
    run = lab.trained(recipe, 0)
    tensors, about = store.read_tensors(run.checkpoint("best"))
    tensors = {k: v * factor if k.startswith("classifier") else v for k, v in tensors.items()}
    store.write_tensors(run.checkpoint("best"), tensors, about)
    val = run.predictions("val")
    hot = at(val, 1 / factor)
    run.write_predictions("val", hot)
    return Healed(recipe, run, ())


def test_an_overconfident_classifier_is_tempered(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    # Fifteen images prove nothing at 95 %.
    monkeypatch.setattr("snellen.temper.LEVEL", 0.5)
    mine = spoiled(lab, 1000.0, monkeypatch)
    made = temper(lab, mine)
    about = lab.case.read("temperature")
    assert about["kept"]
    assert about["low"] > 0
    assert about["ece"]["after"] < about["ece"]["before"]
    hot, cool = (run.predictions("val") for run in (mine.run, made.run))
    assert (hot.predicted == cool.predicted).all()
    assert cool.losses().mean() < hot.losses().mean()
    old, new = (store.read_tensors(run.checkpoint("best"))[0] for run in (mine.run, made.run))
    for key, value in old.items():
        torch.testing.assert_close(new[key], value / about["temperature"] if key.startswith("classifier") else value)
    # Asked again, as a resumed path does.
    assert temper(lab, mine).run.folder == made.run.folder


def test_what_is_not_proved_is_left(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snellen.temper.LEAST", 10)
    recipe = tiny.recipe(SHORT)
    run = lab.trained(recipe, 0)
    val = run.predictions("val")
    run.write_predictions("val", at(val, temperature(val)))
    mine = Healed(recipe, run, ())
    assert temper(lab, mine) == mine
    assert lab.case.read("temperature")["kept"] is False


def test_few_images_and_a_refusal_change_nothing(lab: Lab) -> None:
    recipe = tiny.recipe(SHORT)
    mine = Healed(recipe, lab.trained(recipe, 0), ())
    assert len(mine.run.predictions("val").ids) < LEAST
    without = Healed(recipe.change({"improve.temperature": False}), mine.run, ())
    assert temper(lab, mine) == mine
    assert temper(lab, without) == without
    assert lab.case.read("temperature") is None
