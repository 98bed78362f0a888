"""What trials taught changes the order in which remedies are tried, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from snellen.improve.experience import learn, promise, remembered
from snellen.improve.prescribe import prescribe
from snellen.recipe import Recipe
from snellen.values import Decision, Finding, Verdict

FINDING = Finding(rule="overfitting", severity="warn", message="1", evidence={"excess": 1.0})


def verdict(remedy: str, decision: Decision, *, seeds: int = 2, stage: str = "confirm") -> Verdict:
    return Verdict(
        remedy=remedy, finding="overfitting", metric="accuracy", baseline="a", candidate="b", effect=0.01, low=0.0, high=0.02,
        level=0.95, samples=100, seeds=seeds, looks=1, seconds=3.0, decision=decision, reason="", stage=stage,  # type: ignore[arg-type]
    )  # fmt: skip


def order(path: Path | None) -> list[str]:
    recipe = Recipe().change({"model.dropout": 0.0})
    known = remembered(path, recipe.task)
    return [item.remedy.name for item in prescribe([FINDING], recipe, promise=promise(known))]


def test_nothing_known_changes_nothing(tmp_path: Path) -> None:
    plain = [item.remedy.name for item in prescribe([FINDING], Recipe().change({"model.dropout": 0.0}))]
    assert order(None) == order(tmp_path / "none.jsonl") == plain
    assert plain.index("dropout") < plain.index("mixup") < plain.index("weight_decay")


def test_what_helped_elsewhere_is_tried_first_and_what_never_did_last(tmp_path: Path) -> None:
    path = tmp_path / "experience.jsonl"
    for _ in range(4):
        learn(path, verdict("weight_decay", "adopt"), task="classification", cost=1.0)
        learn(path, verdict("dropout", "reject"), task="classification", cost=1.0)
    # What the recipe lacks altogether comes before all that is tuned, whatever was learnt.
    names = [name for name in order(path) if name != "regularise"]
    assert names[0] == "weight_decay"
    assert names[-1] == "dropout"


def test_two_trials_are_no_experience(tmp_path: Path) -> None:
    path = tmp_path / "experience.jsonl"
    for _ in range(2):
        learn(path, verdict("weight_decay", "adopt"), task="classification", cost=1.0)
    assert order(path) == order(None)


def test_what_was_not_trained_or_is_of_another_task_teaches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "experience.jsonl"
    for _ in range(3):
        learn(path, verdict("weight_decay", "undecided", seeds=0), task="classification", cost=1.0)
        learn(path, verdict("weight_decay", "reject", stage="screen"), task="classification", cost=1.0)
        learn(path, verdict("weight_decay", "adopt"), task="segmentation", cost=1.0)
    assert remembered(path, "classification") == {}
    assert remembered(path, "segmentation")["overfitting weight_decay"]["tried"] == 3


def test_a_remedy_that_costs_more_must_promise_more() -> None:
    cheap, dear = ({"f r": {"tried": 6, "adopted": 3, "cost": cost}} for cost in (1.0, 2.0))
    assert promise(cheap)("f", "r") == pytest.approx(2 * promise(dear)("f", "r"))
    assert promise(cheap)("f", "another") == 1.0
