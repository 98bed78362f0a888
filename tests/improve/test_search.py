"""Search: the space, the points in it, the rungs, and that the best of the candidates is found without retraining."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from snellen.case import Case
from snellen.improve.lab import Lab
from snellen.improve.search import Span, rungs, search, space, spread, told
from snellen.recipe import Recipe
from snellen.train.machine import Setting
from snellen.values import SnellenError

sys.path.append(str(Path(__file__).parents[1] / "train"))

import tiny

RECIPE = tiny.recipe(
    {
        "stages": [
            {"name": "first", "unfreeze": "head", "epochs": 9, "lr_scale": 0.01},
            {"name": "all", "unfreeze": "all", "epochs": 2},
        ],
        "augment.mixup": 0.0,
        "train.views": 1,
        "metric": "log_loss",
    }
)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    import torch

    torch.set_num_threads(1)
    case = Case(tmp_path / "case")
    return Lab(case, *tiny.material(), Setting(), tmp_path / "cache", lambda event: None, lambda: False, None)


def test_the_space_is_around_the_recipe() -> None:
    found = space(RECIPE)
    assert set(found) == {"stages.first.lr_scale", "optim.weight_decay", "model.dropout", "loss.settings.smoothing"}
    assert found["stages.first.lr_scale"].at(0.0) == pytest.approx(0.001)
    assert found["stages.first.lr_scale"].at(1.0) == pytest.approx(0.3)
    with pytest.raises(SnellenError, match="no stage with unfreeze: head"):
        space(RECIPE.change({"stages": [{"name": "all", "unfreeze": "all", "epochs": 1}]}))


def test_points_fill_the_space() -> None:
    ranges = {"rate": Span(1e-4, 1e-1, log=True), "share": Span(0.0, 2.0), "choice": Span(values=(0.0, 0.5))}
    points = spread(ranges, 64, seed=3)
    assert points == spread(ranges, 64, seed=3) != spread(ranges, 64, seed=4)
    logs = np.log10([point["rate"] for point in points])
    assert np.histogram(logs, bins=4, range=(-4, -1))[0].min() >= 12
    assert np.histogram([point["share"] for point in points], bins=4, range=(0, 2))[0].min() >= 12
    assert {point["choice"] for point in points} == {0.0, 0.5}


def test_rungs_keep_a_third() -> None:
    assert rungs(27, 15) == {2: 9, 5: 3}
    assert rungs(81, 27) == {3: 27, 9: 9}
    assert rungs(2, 9) == {1: 2, 3: 2}
    assert rungs(27, 1) == {}


def test_the_best_is_found_and_stored(lab: Lab) -> None:
    """The recipe's own rate is far too low: among 12 candidates there is a better one."""
    found = search(lab, RECIPE, count=12, seeds=2)
    assert found.effect is not None
    assert found.effect.seeds == 2
    assert found.effect.effect > 0
    assert found.patch["stages.first.lr_scale"] > 0.01
    assert found.best == RECIPE.change(found.patch)
    assert [stage.name for stage in found.best.stages] == ["first", "all"]
    by_epochs = [candidate.epochs for candidate in found.candidates]
    # All 12 and the recipe's own for an epoch, 4 and it up to the third, 3 and it to the end.
    assert sorted(by_epochs) == [1] * 8 + [3] * 1 + [9] * 4
    own = found.candidates[0]
    assert (own.number, dict(own.patch), own.epochs) == (0, {}, 9)
    assert all((candidate.mean is None) is (candidate.epochs < 9) for candidate in found.candidates)
    json.dumps(told(found), allow_nan=False)
    kept = sorted(path.name for path in (lab.case.folder / "search").iterdir())
    assert len(kept) == 4
    assert not (lab.case.folder / "runs").exists()


def test_ranges_that_the_recipe_does_not_know(lab: Lab) -> None:
    with pytest.raises(SnellenError, match=r"no key .optim\.lrr."):
        search(lab, RECIPE, ranges={"optim.lrr": Span()}, count=2)


def test_a_recipe_that_is_best_stays(lab: Lab) -> None:
    found = search(
        lab, RECIPE.change({"stages.first.lr_scale": 10.0}), ranges={"optim.lr": Span(1e-9, 1e-8)}, count=3, seeds=1
    )
    assert found.effect is None
    assert dict(found.patch) == {}


def test_the_default_recipe_has_a_space() -> None:
    assert "stages.head.lr_scale" in space(Recipe())
