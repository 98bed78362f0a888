"""Heal: finding → remedy → screen → paired trial → verdict → kept or dropped → next, until budget or findings end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snellen.budget import SAFETY
from snellen.examine import diagnose
from snellen.improve.adopted import Adopted, withdrawn
from snellen.improve.effort import effort
from snellen.improve.experience import learn, promise, remembered
from snellen.improve.lab import Lab
from snellen.improve.pointless import pointless
from snellen.improve.prescribe import Prescription, prescribe
from snellen.improve.screen import Look, screen
from snellen.improve.trial import Budget, verify
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.shelf import RUN_RULES
from snellen.values import Finding, Remedy, Verdict, to_json

# Findings that call for a remedy; "info" is only told.
ANSWERED = ("warn", "block")


@dataclass(frozen=True, slots=True)
class Healed:
    """The recipe that is left standing, its run, and what was tried."""

    recipe: Recipe
    run: Run
    verdicts: tuple[Verdict, ...]


def heal(lab: Lab, recipe: Recipe, audit: Iterable[Finding]) -> Healed:
    """Try the remedies of all findings, one after another, each against the recipe that is standing when its turn comes.

    The number of looks is planned from the time left before the first of them and kept for the life of the case, so that
    the error budget (`recipe.improve.alpha`, over all remedies together) holds, however often healing is resumed. What is handed
    over is on validation no worse than what it began with, by more than `recipe.improve.margin` of the recipe's metric.
    """
    run = lab.trained(recipe, recipe.seed)
    findings = [finding for finding in (*audit, *run.findings) if finding.severity in ANSWERED and finding.looked]
    wanted = prescribe(findings, recipe, promise=promise(_experience(lab, recipe)))
    _note(lab, recipe, wanted)
    wanted = tuple(_sensible(lab, recipe, wanted))
    seconds = _seconds(run)
    wanted = _screened(lab, recipe, wanted, seconds)
    planned, seeds = _planned(lab, recipe, wanted, seconds)
    budget = Budget(recipe.improve.alpha, max(1, planned * (seeds - 1)))
    used, adopted, tried = 0, Adopted(recipe), set[tuple[str, str]]()
    for prescription in wanted:
        remedy = _again(prescription, recipe, run, tried)
        if remedy is None:
            continue
        tried.add((recipe.id, recipe.change(remedy.patch).id))
        if reason := pointless(lab, recipe, recipe.change(remedy.patch)):
            enter(lab, _untried(remedy, recipe, reason))
            continue
        # A remedy that was rejected before its last look leaves its looks to those behind it.
        if not planned or used + seeds - 1 > budget.looks:
            enter(
                lab,
                _untried(remedy, recipe, f"the {planned * (seeds - 1)} looks that time and recipe allow were taken"),
            )
            continue
        verdict = verify(lab, recipe, remedy, budget, seconds=seconds, seeds=seeds)
        used += verdict.looks
        if enter(lab, verdict) and lab.experience is not None:
            cost = effort(recipe.change(remedy.patch)) / effort(recipe)
            learn(lab.experience, verdict, task=recipe.task, cost=cost)
        if verdict.decision == "adopt":
            recipe = recipe.change(remedy.patch)
            adopted = adopted.then(recipe, verdict)
            run = lab.trained(recipe, recipe.seed)
            run.write_findings(diagnose(run))
            seconds = _seconds(run)
    for verdict in withdrawn(lab.case, adopted):
        enter(lab, verdict)
        recipe = adopted.before(verdict)
        run = lab.trained(recipe, recipe.seed)
    return Healed(recipe, run, lab.case.verdicts)


def _experience(lab: Lab, recipe: Recipe) -> Mapping[str, Mapping[str, float]]:
    """What earlier cases taught when this one began: healing that is resumed keeps its order."""
    known = lab.case.read("experience")
    if known is None:
        known = remembered(lab.experience, recipe.task)
        lab.case.write("experience", known)
    return dict(known)


def enter(lab: Lab, verdict: Verdict) -> bool:
    """Append to the ledger, once: a resumed path comes to the same verdicts again. Returns whether it is new."""
    known = {(old.remedy, old.finding, old.baseline, old.candidate, old.looks) for old in lab.case.verdicts}
    new = (verdict.remedy, verdict.finding, verdict.baseline, verdict.candidate, verdict.looks) not in known
    if new:
        lab.case.enter(verdict)
    return new


def _screened(lab: Lab, recipe: Recipe, wanted: Sequence[Prescription], seconds: float) -> tuple[Prescription, ...]:
    """Without those that are worse on cached features; among remedies of one finding, the better screened come first."""
    # Where no second seed could be confirmed, training heads would only cost time; those of before still count. It is decided once:
    # healing that is resumed with more time must not begin to screen what was looked at without.
    known = lab.case.read("screened")
    if known is None:
        known = {"train": lab.left >= 3 * seconds}
        lab.case.write("screened", known)
    looks = iter(screen(lab, recipe, [item for item in wanted if item.screens], train=bool(known["train"])))
    kept: list[tuple[float, Prescription]] = []
    for prescription in wanted:
        look = next(looks) if prescription.screens else Look()
        if look.verdict is not None:
            enter(lab, look.verdict)
        else:
            # What cannot be screened keeps its place, in front of what can.
            kept.append((float("inf") if look.effect is None else look.effect.effect, prescription))
    places: dict[str, int] = {}
    for _, prescription in kept:
        places.setdefault(prescription.finding.rule, len(places))
    order = sorted(kept, key=lambda item: (places[item[1].finding.rule], -item[0]))
    return tuple(prescription for _, prescription in order)


def _planned(lab: Lab, recipe: Recipe, wanted: Sequence[Prescription], seconds: float) -> tuple[int, int]:
    """Remedies and seeds as planned when healing began; planned now, and stored, where it begins."""
    known = lab.case.read("looks")
    if known is None:
        planned, seeds = _affordable(lab, recipe, wanted, seconds)
        known = {"remedies": planned, "seeds": seeds, "alpha": recipe.improve.alpha}
        lab.case.write("looks", known)
    return int(known["remedies"]), int(known["seeds"])


def _affordable(lab: Lab, recipe: Recipe, wanted: Sequence[Prescription], seconds: float) -> tuple[int, int]:
    """How many remedies can be looked at, and with how many seeds, in the time left."""
    seeds = recipe.improve.seeds
    most = min(len(wanted), recipe.improve.remedies)
    if lab.left == float("inf") or not most:
        return most, seeds
    runs = lab.left / seconds
    efforts = [effort(recipe.change(item.remedy.patch)) / effort(recipe) for item in wanted[:most]]
    # The first remedy also pays for the baseline's further seeds.
    for count in range(most, 0, -1):
        for number in range(seeds, 1, -1):
            if runs >= number * sum(efforts[:count]) + number - 1 and (number == seeds or count == 1):
                return count, number
    return (1, 2) if most else (0, seeds)


def _seconds(run: Run) -> float:
    """Expected seconds of another training like this one, with a reserve. One that ended early is reckoned to its end."""
    took, planned = float(run.cost["seconds"]), sum(stage.epochs for stage in run.recipe.stages)
    if run.cost.get("stopped"):
        took *= planned / max(int(run.cost["epochs"]), 1)
    return took * SAFETY


def _sensible(lab: Lab, recipe: Recipe, wanted: Iterable[Prescription]) -> Iterator[Prescription]:
    """Without those that could not be told from the recipe, or not compared with it; the ledger says why."""
    for prescription in wanted:
        reason = pointless(lab, recipe, recipe.change(prescription.remedy.patch))
        if reason:
            enter(lab, _untried(prescription.remedy, recipe, reason))
        else:
            yield prescription


def _again(prescription: Prescription, recipe: Recipe, run: Run, tried: set[tuple[str, str]]) -> Remedy | None:
    """The remedy for the recipe as it stands now; None where its finding has gone, or it would change nothing that was not
    tried: several findings of one rule (of one class each) have a remedy of one name."""
    still = [
        finding
        for finding in run.findings
        if finding.rule == prescription.finding.rule and finding.severity in ANSWERED and finding.looked
    ]
    findings = still if prescription.finding.rule in RUN_RULES.names() else [prescription.finding]
    found = [p.remedy for p in prescribe(findings, recipe) if p.remedy.name == prescription.remedy.name]
    return next((one for one in found if (recipe.id, recipe.change(one.patch).id) not in tried), None)


def _untried(remedy: Remedy, recipe: Recipe, reason: str) -> Verdict:
    return Verdict(
        remedy=remedy.name, finding=remedy.finding, metric=remedy.metric or recipe.metric, baseline=recipe.id,
        candidate=recipe.change(remedy.patch).id, effect=None, low=None, high=None, level=0.95, samples=0, seeds=0, looks=0,
        seconds=0.0, decision="undecided", reason=reason,
    )  # fmt: skip


def _note(lab: Lab, recipe: Recipe, wanted: Iterable[Prescription]) -> None:
    """Store every proposed remedy with its patch as a diff of resolved recipes."""
    rows: list[dict[str, Any]] = []
    for prescription in wanted:
        changed = recipe.diff(recipe.change(prescription.remedy.patch))
        rows.append({**to_json(prescription.remedy), "diff": {key: list(pair) for key, pair in changed.items()}})
    lab.case.write("remedies", rows)
