"""The clinic's arms: what a training, healing and chance are billed for, and what counts as adopted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import _clinic_arms
import _clinic_bill
import _clinic_score as score
from _clinic_arms import decided
from _clinic_bill import LEAST, MOST, Besides, Billed, billed, further
from _clinic_ground import recipe_of
from snellen import store
from snellen.case import Case
from snellen.improve.lab import Lab
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.values import Verdict


class Trainings:
    """Stands for trainings: each takes the processor seconds of its seed, its epochs 50 s of the clock, and trains nothing."""

    def __init__(self) -> None:
        self.now, self.takes = 0.0, dict.fromkeys(range(200), 10.0)

    def trained(self, lab: Lab, recipe: Recipe, seed: int) -> Run:
        run = lab.case.run(recipe.id, seed)
        if not run.done:
            self.now += self.takes[seed]
            run.finish({"seconds": 50.0, "score": 0.5})
        return run


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    made = Trainings()
    monkeypatch.setattr(_clinic_bill, "clock", lambda: made.now)
    monkeypatch.setattr(Lab, "trained", lambda lab, recipe, seed, *, title="": made.trained(lab, recipe, seed))
    return made


def lab_in(folder: Path, *, besides: Besides | None = None) -> Billed:
    nobody: Any = None
    return Billed(
        Case(folder), nobody, nobody, nobody, folder, lambda event: None, lambda: False, None, besides=besides
    )


def seeds_of(recipe: Recipe) -> Iterator[tuple[Recipe, int]]:
    return ((recipe, seed) for seed in range(200))


def test_an_arm_trains_while_half_of_one_more_can_be_paid_for(tmp_path: Path, trainings: Trainings) -> None:
    recipe, lab = recipe_of("healthy", 0), lab_in(tmp_path)
    assert len(further(lab, seeds_of(recipe), 36.0)) == 4, "36 s hold three of 10 s and more than half of a fourth"
    assert lab.spent == 40.0
    assert billed(lab, 4, 36.0) == {"runs": 4, "seconds": 40.0, "allowed": 36.0, "most": MOST, "capped": False}
    # Another arm that asks for the same runs is billed for them, though nothing is trained.
    before, other = trainings.now, lab_in(tmp_path)
    further(other, seeds_of(recipe), 36.0)
    assert (other.spent, trainings.now) == (40.0, before)


def test_a_training_that_costs_next_to_nothing_has_its_set_up_on_the_bill(tmp_path: Path, trainings: Trainings) -> None:
    """The first makes the features, the others read them."""
    trainings.takes |= dict.fromkeys(range(1, 200), 0.0)
    lab = lab_in(tmp_path)
    assert len(further(lab, seeds_of(recipe_of("frozen", 0)), 15.1)) == 5
    assert lab.spent == pytest.approx(10.0 + 4 * LEAST * 10.0)


def test_no_arm_trains_a_hundred_times(tmp_path: Path, trainings: Trainings) -> None:
    trainings.takes |= dict.fromkeys(range(1, 200), 0.0)
    lab = lab_in(tmp_path)
    tried = further(lab, seeds_of(recipe_of("frozen", 0)), 200.0)
    assert len(tried) == MOST
    assert billed(lab, len(tried), 200.0)["capped"]
    assert not billed(lab, len(tried), lab.spent)["capped"], "the seconds ended it as well"


def test_a_training_that_was_stopped_is_billed_whole(tmp_path: Path, trainings: Trainings) -> None:
    recipe, lab = recipe_of("healthy", 0), lab_in(tmp_path)
    store.write_text(lab.case.run(recipe.id, 0).folder / "recipe.yaml", "begun before\n")
    lab.trained(recipe, 0)
    assert lab.spent == 50.0


def test_what_healing_does_between_trainings_is_kept_through_a_stop(tmp_path: Path, trainings: Trainings) -> None:
    lab = lab_in(tmp_path, besides=Besides(tmp_path / "besides.jsonl"))
    trainings.now += 3.0
    lab.trained(recipe_of("healthy", 0), 0)
    trainings.now += 4.0
    assert Besides(tmp_path / "besides.jsonl").seconds == 3.0
    lab.trained(recipe_of("healthy", 0), 1)
    assert Besides(tmp_path / "besides.jsonl").seconds == 7.0
    assert lab.spent == 20.0


def test_healing_is_billed_for_its_own_runs_and_asked_once(
    tmp_path: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def healed(lab: Lab, recipe: Recipe, audit: Any) -> Any:
        lab.trained(recipe, recipe.seed + 1)
        return SimpleNamespace(run=lab.trained(recipe, recipe.seed))

    monkeypatch.setattr(_clinic_arms, "heal", healed)
    monkeypatch.setattr(_clinic_arms, "diagnose", lambda run: [])
    monkeypatch.setattr(_clinic_arms, "scored", lambda lab, run: {"test": 0.5})
    found: Any = SimpleNamespace(catalog=None, pixels=None, cache=tmp_path, findings=())
    recipe = recipe_of("rate_high", 0)
    told = _clinic_arms.arms(found, tmp_path, recipe, ("rate_high", "clothing", 0))
    assert {arm: (told[arm]["runs"], told[arm]["seconds"]) for arm in score.ARMS} == dict.fromkeys(
        score.ARMS, (2, 20.0)
    )
    assert len(told["random"]["tried"]) == 1
    assert (told["improve"]["remedies"], told["improve"]["seeds"], told["least"]) == (2, 3, LEAST)
    # Stopped before it was written down, and gone on with beside the runs of the other arms.
    assert len(list((tmp_path / "runs").iterdir())) == 3
    (tmp_path / "healed.json").unlink()
    assert _clinic_arms._heal(found, tmp_path, recipe) == told["heal"]
    monkeypatch.setattr(_clinic_arms, "heal", None)
    assert _clinic_arms._heal(found, tmp_path, recipe) == told["heal"]


def verdict(remedy: str, decision: Any, **more: Any) -> Verdict:
    about = {
        "finding": "rate_too_high", "metric": "log_loss", "baseline": "a", "candidate": remedy, "effect": 0.1, "low": 0.05,
        "high": 0.15, "level": 0.95, "samples": 100, "seeds": 3, "looks": 2, "seconds": 1.0, "reason": "",
    }  # fmt: skip
    return Verdict(remedy=remedy, decision=decision, **{**about, **more})


def test_what_was_adopted_and_taken_back_is_not_adopted() -> None:
    ledger = [
        verdict("mixup", "reject", stage="screen"),
        verdict("lower_lr", "adopt"),
        verdict("clip", "adopt"),
        verdict("longer", "undecided", seeds=0, looks=0),
        verdict("dropout", "reject"),
        verdict("clip", "reject", looks=0, metric="accuracy", effect=-0.2),
    ]
    found = decided(ledger)
    assert [(one.remedy, what) for one, what in found] == [
        ("lower_lr", "adopt"), ("clip", "withdrawn"), ("dropout", "reject"),
    ]  # fmt: skip
    assert found[1][0].effect == 0.1, "what is told of it is its own trial"
