"""The loop of remedies with trainings that are only pretended: what is adopted, kept, counted and left untried."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pretended import FINDING, GAINS, RECIPE, REMEDY, Pretended

from snellen.improve import heal as module
from snellen.improve.heal import Healed, enter, heal
from snellen.improve.lab import Lab
from snellen.improve.prescribe import prescribe
from snellen.recipe import Recipe
from snellen.shelf import REMEDIES
from snellen.values import Finding, Remedy, SnellenError, Verdict


def by_name(healed: Healed) -> dict[str, Verdict]:
    assert len({verdict.remedy for verdict in healed.verdicts}) == len(healed.verdicts)
    return {verdict.remedy: verdict for verdict in healed.verdicts}


def test_a_good_remedy_is_adopted(pretended: Pretended, remedies) -> None:
    remedies("good")
    healed = heal(pretended.lab(), RECIPE, ())
    verdict = by_name(healed)["good"]
    assert verdict.decision == "adopt"
    assert verdict.low is not None
    assert verdict.low > 0
    assert healed.recipe.optim.settings["beta1"] == 0.7
    assert healed.run.folder.name == f"{healed.recipe.id}-s0"
    assert (verdict.baseline, verdict.candidate) == (RECIPE.id, healed.recipe.id)
    assert healed.verdicts == pretended.case.verdicts
    assert list(RECIPE.diff(healed.recipe)) == ["optim.settings.beta1"]


@pytest.mark.parametrize("name", ["harmful", "useless"])
def test_what_does_not_help_changes_nothing(name: str, pretended: Pretended, remedies) -> None:
    remedies(name)
    healed = heal(pretended.lab(), RECIPE, ())
    assert by_name(healed)[name].decision != "adopt"
    assert healed.recipe == RECIPE
    assert healed.run.folder.name == f"{RECIPE.id}-s0"


def test_harm_is_seen_with_the_first_seed(pretended: Pretended, remedies) -> None:
    remedies("harmful")
    verdict = by_name(heal(pretended.lab(), RECIPE, ()))["harmful"]
    assert (verdict.decision, verdict.seeds, verdict.looks) == ("reject", 1, 0)
    assert len(pretended.trained_runs) == 2


def test_what_cannot_be_trained_is_rejected_and_the_next_is_tried(
    pretended: Pretended, remedies, monkeypatch: pytest.MonkeyPatch
) -> None:
    remedies("harmful", "good")
    real = pretended.trained

    def trained(lab: Lab, recipe: Recipe, seed: int, **given: Any) -> Any:
        if pretended.gain(recipe) < 0:
            raise SnellenError("this network has no such switch")
        return real(lab, recipe, seed, **given)

    monkeypatch.setattr(pretended, "trained", trained)
    healed = heal(pretended.lab(), RECIPE, ())
    verdicts = by_name(healed)
    assert (verdicts["harmful"].decision, verdicts["harmful"].effect) == ("reject", None)
    assert verdicts["harmful"].reason == "cannot be trained: this network has no such switch"
    assert verdicts["good"].decision == "adopt"


def test_a_recipe_that_cannot_be_trained_is_an_error(
    pretended: Pretended, remedies, monkeypatch: pytest.MonkeyPatch
) -> None:
    remedies("good")
    real = pretended.trained

    def trained(lab: Lab, recipe: Recipe, seed: int, **given: Any) -> Any:
        if seed == 1 and recipe.id == RECIPE.id:
            raise SnellenError("the disk is full")
        return real(lab, recipe, seed, **given)

    monkeypatch.setattr(pretended, "trained", trained)
    with pytest.raises(SnellenError, match="the disk is full"):
        heal(pretended.lab(), RECIPE, ())


def test_looks_that_a_remedy_did_not_need_go_to_the_next(pretended: Pretended, remedies) -> None:
    """A remedy that is clearly worse with one seed has cost no look."""
    remedies("harmful", "good")
    verdicts = by_name(heal(pretended.lab(), RECIPE.change({"improve.remedies": 1}), ()))
    assert [verdict.decision for verdict in verdicts.values()] == ["reject", "adopt"]


def test_each_remedy_meets_the_recipe_that_is_standing(pretended: Pretended, remedies) -> None:
    remedies("harmful", "good", "useless")
    healed = heal(pretended.lab(), RECIPE, ())
    verdicts = by_name(healed)
    assert list(verdicts) == ["harmful", "good", "useless"]
    assert verdicts["good"].baseline == RECIPE.id
    assert verdicts["useless"].baseline == healed.recipe.id == verdicts["good"].candidate
    assert pretended.gain(healed.recipe) == GAINS["good"]


def test_a_finding_that_has_gone_needs_no_further_remedy(pretended: Pretended, remedies, monkeypatch) -> None:
    remedies("good", "useless")
    monkeypatch.setattr(module, "diagnose", lambda run: ())
    assert list(by_name(heal(pretended.lab(), RECIPE, ()))) == ["good"]


def test_what_the_audit_found_is_answered_too(pretended: Pretended, remedies) -> None:
    remedies("good")
    pretended.findings = ()
    assert heal(pretended.lab(), RECIPE, ()).verdicts == ()


@pytest.mark.parametrize("finding", [replace(FINDING, severity="info"), replace(FINDING, looked=False)])
def test_what_is_only_told_is_not_answered(finding: Finding, pretended: Pretended, remedies) -> None:
    remedies("good")
    pretended.findings = (finding,)
    healed = heal(pretended.lab(), RECIPE, ())
    assert healed.verdicts == ()
    assert len(pretended.trained_runs) == 1


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("allowed", [1, 2, 3])
def test_looks_never_exceed_the_plan(seeds: int, allowed: int, pretended: Pretended, remedies, monkeypatch) -> None:
    remedies("useless", "good", "harmful")
    pretended.gains = {"good": 0.12, "useless": 0.1, "harmful": 0.08}  # All three are hard to tell.
    planned: list[int] = []
    taken: list[int] = []
    real = module.verify

    def verify(lab: Lab, recipe: Recipe, remedy: Remedy, budget: Any, **given: Any) -> Verdict:
        verdict = real(lab, recipe, remedy, budget, **given)
        planned.append(budget.looks)
        taken.append(verdict.looks)
        return verdict

    monkeypatch.setattr(module, "verify", verify)
    healed = heal(pretended.lab(), RECIPE.change({"improve.seeds": seeds, "improve.remedies": allowed}), ())
    assert set(planned) == {allowed * (seeds - 1)}
    assert sum(taken) <= planned[0]
    # An interval is never narrower than its share of the budget allows.
    assert all(v.level >= 1 - 2 * 0.05 for v in healed.verdicts if v.looks)


def test_no_remedies_means_none(pretended: Pretended, remedies) -> None:
    remedies("good")
    healed = heal(pretended.lab(), RECIPE.change({"improve.remedies": 0}), ())
    assert healed.recipe.improve.remedies == 0
    assert [verdict.decision for verdict in healed.verdicts] == ["undecided"]
    assert len(pretended.trained_runs) == 1


def test_the_untried_are_undecided_and_say_why(pretended: Pretended, remedies) -> None:
    remedies("useless", "good", "harmful")
    healed = heal(pretended.lab(), RECIPE.change({"improve.remedies": 1}), ())
    verdicts = by_name(healed)
    for name in ("good", "harmful"):
        assert verdicts[name].decision == "undecided"
        assert verdicts[name].reason == "the 2 looks that time and recipe allow were taken"
        assert (verdicts[name].effect, verdicts[name].looks, verdicts[name].seeds) == (None, 0, 0)


def test_out_of_time_is_undecided_with_a_reason(pretended: Pretended, remedies) -> None:
    remedies("good", "useless")
    healed = heal(pretended.lab(time.monotonic() + 3), RECIPE, ())
    verdict = by_name(healed)["good"]
    assert verdict.decision == "undecided"
    assert "the next pair of runs needs about" in verdict.reason
    assert verdict.effect is None
    assert healed.recipe == RECIPE
    assert by_name(healed)["useless"].decision == "undecided"
    assert "of the budget are left" in by_name(healed)["useless"].reason
    assert len(pretended.trained_runs) == 1


def test_time_that_runs_out_half_way_keeps_what_was_seen(pretended: Pretended, remedies, monkeypatch) -> None:
    remedies("good")
    # Time for the candidate of the first seed (12 s) and for no further pair (23 s).
    left = iter([100.0, 100.0, 15.0])
    monkeypatch.setattr(Lab, "left", property(lambda lab: next(left, 5.0)))
    verdict = by_name(heal(pretended.lab(0.0), RECIPE, ()))["good"]
    assert verdict.decision == "undecided"
    assert verdict.seeds in (0, 1)
    assert "of the budget are left" in verdict.reason


def test_little_time_means_fewer_remedies_and_seeds(pretended: Pretended, remedies) -> None:
    remedies("good", "useless", "harmful")
    # A run is taken for 11.5 s: 40 s hold three, which is one remedy with two seeds.
    healed = heal(pretended.lab(time.monotonic() + 40), RECIPE, ())
    verdicts = by_name(healed)
    assert verdicts["good"].seeds == 2
    assert verdicts["good"].looks == 1
    for name in ("useless", "harmful"):
        assert (verdicts[name].decision, verdicts[name].looks) == ("undecided", 0)
        assert "looks that time and recipe allow" in verdicts[name].reason


def test_resuming_enters_nothing_twice(pretended: Pretended, remedies) -> None:
    remedies("harmful", "good", "useless")
    first = heal(pretended.lab(), RECIPE, ())
    trained = list(pretended.trained_runs)
    second = heal(pretended.lab(), RECIPE, ())
    assert second.verdicts == first.verdicts
    assert second.recipe == first.recipe
    assert pretended.trained_runs == trained


def test_enter_tells_verdicts_apart(pretended: Pretended) -> None:
    lab = pretended.lab()
    verdict = Verdict(
        remedy="r", finding="f", metric="accuracy", baseline="a", candidate="b", effect=0.1, low=0.0, high=0.2, level=0.95,
        samples=100, seeds=2, looks=1, seconds=3.0, decision="undecided", reason="",
    )  # fmt: skip
    for item in (verdict, replace(verdict, seconds=4.0), replace(verdict, looks=2), replace(verdict, candidate="c")):
        enter(lab, item)
    assert [(v.looks, v.candidate) for v in lab.case.verdicts] == [(1, "b"), (2, "b"), (1, "c")]


def test_proposed_remedies_are_stored_as_diffs(pretended: Pretended, remedies) -> None:
    remedies("good")
    heal(pretended.lab(), RECIPE, ())
    (row,) = pretended.case.read("remedies")
    assert row["name"] == "good"
    assert row["diff"] == {"optim.settings.beta1": [0.9, 0.7]}


def test_what_costs_too_much_together_is_taken_back(pretended: Pretended, remedies) -> None:
    """Two remedies, each held to the margin by its trial; both together are not."""
    from snellen.improve.adopted import Adopted, withdrawn

    remedies("good", "harmful")
    pretended.gains = {"good": -0.05, "harmful": -0.6, "useless": 0.0}
    lab, recipes = pretended.lab(), [RECIPE]
    for name in ("good", "harmful"):
        (patch,) = [item.remedy.patch for item in prescribe([FINDING], recipes[-1]) if item.remedy.name == name]
        recipes.append(
            recipes[-1].change({"optim.settings": {**recipes[-1].optim.settings, **patch["optim.settings"]}})
        )
    for one in recipes:
        for seed in (0, 1):
            pretended.trained(lab, one, seed)
    told = Verdict(
        remedy="r", finding="fault", metric="log_loss", baseline=recipes[0].id, candidate=recipes[1].id, effect=0.1, low=0.0,
        high=0.2, level=0.95, samples=300, seeds=2, looks=1, seconds=3.0, decision="adopt", reason="",
    )  # fmt: skip
    adopted = Adopted(RECIPE).then(recipes[1], told)
    assert list(withdrawn(lab.case, adopted)) == []
    adopted = adopted.then(recipes[2], replace(told, baseline=recipes[1].id, candidate=recipes[2].id))
    (back,) = withdrawn(lab.case, adopted)
    assert (back.decision, back.metric, back.looks, back.seeds) == ("reject", "accuracy", 0, 2)
    assert "taken back" in back.reason
    assert adopted.before(back) == recipes[1]


@pytest.mark.parametrize(
    "key", ["seed", "task", "metric", "gates", "gates.score", "data", "data.val", "data.test", "data.group"]
)
def test_a_remedy_cannot_touch_the_question(key: str) -> None:
    with pytest.raises(ValueError, match="part of the question"):
        Remedy(name="cheat", finding="fault", patch={"optim.lr": 0.1, key: {}}, reason="", source="")


def test_a_remedy_on_the_shelf_cannot_either(tmp_path: Path, remedies) -> None:
    remedies("good")
    text = REMEDY.format(name="cheat", order=0, setting="beta1", value=0.5)
    start = text.index("    patch =")
    cheat = text[:start] + '    patch = {"data": {"val": 0.01}}\n' + text[text.index("    return") :]
    (tmp_path / "parts" / "remedies" / "cheat.py").write_text(cheat)
    with pytest.raises(ValueError, match=r"'cheat' would change 'data'"):
        prescribe([FINDING], RECIPE)


def test_prescriptions_are_in_order_and_not_doubled(remedies) -> None:
    remedies("useless", "good", "harmful")
    twice = [FINDING, replace(FINDING, severity="block", message="2 faults")]
    found = prescribe(twice, RECIPE)
    assert [item.remedy.name for item in found] == ["useless", "good", "harmful"]
    assert {item.finding.severity for item in found} == {"block"}
    assert REMEDIES.pick("good")(FINDING, RECIPE).patch["optim.settings"] == {"beta1": 0.7}


def test_what_every_recipe_has_is_restored_first(tmp_path: Path, remedies) -> None:
    remedies("useless", "good", "harmful")
    file = tmp_path / "parts" / "remedies" / "harmful.py"
    file.write_text(file.read_text().replace("SCREENS = False", "SCREENS = False\nRESTORES = True"))
    assert [item.remedy.name for item in prescribe([FINDING], RECIPE)] == ["harmful", "useless", "good"]


def test_a_cause_is_answered_before_what_it_brings_about() -> None:
    def told(rule: str) -> Finding:
        return Finding(rule=rule, severity="warn", message="told", evidence={"excess": 9.0, "batch": 32})

    found = prescribe([told("gradient_unstable"), told("broken_norm"), told("rate_too_high")], RECIPE)
    assert found[0].remedy.name == "lower_lr"
    assert [item.finding.rule for item in found].index("broken_norm") > 0


def test_masks_that_several_rules_suspect_are_dropped_together() -> None:
    def told(rule: str, *samples: str, severity: str = "warn") -> Finding:
        return Finding(rule=rule, severity=severity, message="1", samples=samples)

    findings = [
        told("eroded_masks", "a"),
        told("swapped_masks", "c", "b", severity="block"),
        told("dilated_masks", "a", "d"),
    ]
    found = prescribe(findings, RECIPE.change({"task": "segmentation", "metric": "miou"}))
    (item,) = [one for one in found if one.remedy.name == "drop_suspect_masks"]
    assert set(item.remedy.patch["data.drop"]) == {"a", "b", "c", "d"}
    assert (item.finding.rule, item.finding.severity) == ("swapped_masks", "block")
    # Where healing asks again with what it was given, the answer is the same.
    (again,) = prescribe([item.finding], RECIPE.change({"task": "segmentation", "metric": "miou"}))
    assert again.remedy.patch == item.remedy.patch


def test_a_remedy_that_would_change_nothing_is_left_out(remedies) -> None:
    remedies("good")
    assert prescribe([FINDING], RECIPE.change({"optim.settings": {"beta1": 0.7}})) == ()


def test_a_budget_of_looks_is_kept_by_the_decision(pretended: Pretended, remedies) -> None:
    """More seeds than were planned for are refused, not quietly paid by the error budget."""
    from snellen.improve.trial import Budget, verify

    remedies("useless")
    pretended.gains["useless"] = 0.1
    (item,) = prescribe([FINDING], RECIPE)
    with pytest.raises(SnellenError, match="was not planned"):
        verify(pretended.lab(), RECIPE, item.remedy, Budget(0.05, 1), seconds=1.0, seeds=3)
