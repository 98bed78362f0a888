"""The average of a case's runs: what goes in, that it is their mean, and that it is left where it is worse."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from snellen import store
from snellen.case import Case
from snellen.improve.heal import Healed
from snellen.improve.lab import Lab
from snellen.pick import picked
from snellen.run import Run
from snellen.soup import average, ingredients, soup
from snellen.train.machine import Setting
from snellen.values import Verdict

SHORT = {"stages": [{"name": "all", "unfreeze": "all", "epochs": 3}], "optim.lr": 5e-3, "augment.mixup": 0.0}


@pytest.fixture
def lab(tmp_path: Path, cache: Path) -> Lab:
    catalog, pixels = tiny.material()
    return Lab(Case(tmp_path / "case"), catalog, pixels, Setting(), cache, lambda event: None, lambda: False, None)


def healed(lab: Lab, seeds: int, *, averaged: bool = True) -> Healed:
    recipe = tiny.recipe({**SHORT, "improve.soup": averaged})
    runs = [lab.trained(recipe, seed) for seed in range(seeds)]
    return Healed(recipe, runs[0], lab.case.verdicts)


def verdict(lab: Lab, mine: Healed, decision: str) -> str:
    """One run of another recipe, and what was found of it; returns its folder's name."""
    other = mine.recipe.change({"optim.weight_decay": 0.01 if decision == "reject" else 0.02})
    run = lab.trained(other, 0)
    lab.case.enter(
        Verdict(
            remedy="weight_decay",
            finding="overfitting",
            metric="log_loss",
            baseline=mine.recipe.id,
            candidate=other.id,
            effect=0.0,
            low=-1.0,
            high=1.0,
            level=0.95,
            samples=15,
            seeds=1,
            looks=0,
            seconds=1.0,
            decision=decision,
            reason="r",
        )
    )
    return run.folder.name


def test_the_mean_of_weights_is_a_run_of_its_own(lab: Lab) -> None:
    mine = healed(lab, 3)
    made = soup(lab, mine)
    about = lab.case.read("soup")
    assert about["runs"] == [f"{mine.recipe.id}-s{seed}" for seed in range(3)]
    mixed = next(run for run in lab.case.runs if "-soup-" in run.folder.name)
    tensors = [store.read_tensors(run.checkpoint("best"))[0] for run in _seeds(lab, mine)]
    found = store.read_tensors(mixed.checkpoint("best"))[0]
    for key, value in found.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, sum(t[key] for t in tensors) / 3)
        else:
            assert torch.equal(value, tensors[0][key])
    assert mixed.predictions("val").ids == mine.run.predictions("val").ids
    assert mixed.signals("loss") == mine.run.signals("loss")
    kept = about["effects"]["calibrated_log_loss"]["effect"] >= 0 and about["effects"]["accuracy"]["high"] >= 0
    assert about["kept"] == kept
    assert made.run.folder == (mixed.folder if kept else mine.run.folder)
    # Asked again, as a resumed path does: the same answer, no further run.
    before = len(lab.case.runs)
    assert soup(lab, mine).run.folder == made.run.folder
    assert len(lab.case.runs) == before


def _seeds(lab: Lab, mine: Healed) -> list[Run]:
    return [lab.case.run(mine.recipe.id, seed) for seed in range(3)]


def test_a_worse_average_is_left(lab: Lab) -> None:
    mine = healed(lab, 2)
    # Half of what the first run learnt, and noise.
    spoiled = lab.case.run(mine.recipe.id, 1).checkpoint("best")
    tensors, about = store.read_tensors(spoiled)
    noise = np.random.default_rng(0)
    weights = {
        k: v + 9 * torch.from_numpy(noise.normal(size=v.shape)).to(v.dtype) if k.endswith("weight") else v
        for k, v in tensors.items()
    }
    store.write_tensors(spoiled, weights, about)
    assert soup(lab, mine) == mine
    assert lab.case.read("soup")["kept"] is False
    assert lab.case.read("soup")["effects"]["calibrated_log_loss"]["effect"] < 0


def test_rejected_candidates_stay_out(lab: Lab) -> None:
    mine = healed(lab, 1)
    undecided, rejected = verdict(lab, mine, "undecided"), verdict(lab, mine, "reject")
    tries = [[run.folder.name for run in runs] for runs in ingredients(lab.case, mine)]
    assert tries == [[mine.run.folder.name, undecided]]
    assert rejected in [run.folder.name for run in lab.case.runs]


def test_one_run_and_a_refusal_change_nothing(lab: Lab) -> None:
    alone = healed(lab, 1)
    assert picked(lab, soup(lab, alone)) == alone
    two = healed(lab, 2)
    without = Healed(two.recipe.change({"improve.soup": False}), two.run, ())
    assert soup(lab, without) == without
    assert lab.case.read("soup") is None


def test_where_runs_are_not_averaged_the_best_on_validation_is_taken(lab: Lab) -> None:
    mine = healed(lab, 2, averaged=False)
    undecided, rejected = verdict(lab, mine, "undecided"), verdict(lab, mine, "reject")
    # Both are made to look better than what was trained first; one of them was found worse.
    for place, name in enumerate((undecided, rejected)):
        folder = lab.case.folder / "runs" / name
        store.write_json(folder / "DONE", {**store.read_json(folder / "DONE"), "score": 2.0 + place})
    taken = picked(lab, mine)
    assert taken.run.folder.name == undecided
    assert taken.recipe.id == taken.run.recipe.id
    told = lab.case.read("pick")
    assert (told["taken"], told["first"]) == (undecided, mine.run.folder.name)
    assert rejected not in told["scores"]
    assert told["scores"][undecided] == 2.0


@pytest.mark.parametrize(("seconds", "runs"), [(3600.0, 5), (0.0, 1)])
def test_the_rest_of_the_budget_goes_into_further_seeds(lab: Lab, seconds: float, runs: int) -> None:
    mine = healed(lab, 1)
    soup(replace(lab, deadline=time.monotonic() + seconds), mine)
    assert len([run for run in lab.case.runs if "-soup-" not in run.folder.name]) == runs


def test_the_average_of_equal_weights_is_exact() -> None:
    state = {"w": torch.rand(3, 3), "n": torch.tensor(7)}
    assert all(torch.equal(state[k], v) for k, v in average([state, state, state]).items())
