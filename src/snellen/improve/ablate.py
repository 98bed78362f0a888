"""Ablate: what each technique adds on top of the others, and what is lost without it (SPEC E1), paired by seed and sample.

The ladder begins with the recipe without any of the techniques and adds one after another; each rung is compared with the one
below it. Leaving one out is compared with all of them together. All arms of a seed are trained before the next seed. The error
budget (`recipe.improve.alpha`) is shared by all comparisons, and there is one look, at the end.

A budget that does not hold two seeds of all arms first leaves out the leaving-out; where two seeds of the ladder do not fit
either, the techniques of which the head tells are measured on it alone, on cached features, and the others are not measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from snellen.budget import SAFETY
from snellen.improve.decide import coverage, decide
from snellen.improve.heal import enter
from snellen.improve.lab import Lab
from snellen.improve.pair import pair
from snellen.improve.screen import SEEDS as HEADS
from snellen.improve.screen import head_only, head_rows
from snellen.improve.techniques import Technique
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.run import Run
from snellen.values import Decision, SnellenError, Verdict

LADDER, WITHOUT, FULL, HEAD = "ladder", "left out", "whole trainings", "the head alone, on cached features"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One comparison: the technique, and the recipes with and without it. `kind`: LADDER or WITHOUT."""

    technique: Technique
    kind: str
    without: Recipe
    having: Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One comparison when all is trained. `cost`: seconds that the technique adds to a training (None on the head alone);
    scores are means over the seeds."""

    rung: Rung
    verdict: Verdict
    before: float
    after: float
    cost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """`how`: FULL or HEAD; `left`: names of what the budget did not hold, with the reason; `runs` by recipe id, none for HEAD."""

    base: Recipe
    measured: tuple[Measured, ...]
    how: str
    left: Mapping[str, str]
    runs: Mapping[str, tuple[Run, ...]]


def rungs(recipe: Recipe, techniques: Sequence[Technique]) -> tuple[Rung, ...]:
    """The ladder, then leaving out all but the last (without that stands on the ladder already).

    Raises SnellenError for a technique that is named twice, is undone by another, or cannot be had together with those below it.
    """
    names = [technique.name for technique in techniques]
    if len(set(names)) != len(names) or not names:
        raise SnellenError(f"techniques are {', '.join(names) or 'none'}; name one or more, each once")
    below = recipe
    for technique in reversed(techniques):
        below = below.change(technique.off(below))
    _allowed(below, "the recipe without the techniques")
    found = []
    for technique in techniques:
        above = below.change(technique.on(recipe if technique.name == "augment" else below))
        _allowed(above, f"{technique.name} on top of what is below it")
        found.append(Rung(technique=technique, kind=LADDER, without=below, having=above))
        below = above
    _told_apart(found, below)
    for technique in techniques[:-1]:
        without = below.change(technique.off(below))
        if without.id != below.id and without.refused() is None:
            found.append(Rung(technique=technique, kind=WITHOUT, without=without, having=below))
    return tuple(found)


def _allowed(recipe: Recipe, what: str) -> None:
    if (reason := recipe.refused()) is not None:
        raise SnellenError(f"{what}: {reason}")


def _told_apart(ladder: Sequence[Rung], full: Recipe) -> None:
    for rung in ladder:
        name = rung.technique.name
        if rung.without.id == rung.having.id:
            raise SnellenError(f"{name} changes nothing in this recipe; leave it out of --techniques")
        if full.change(rung.technique.on(full)).id != full.id:
            raise SnellenError(
                f"{name} is undone by a technique after it: they cannot be had together; ablate them apart"
            )


def ablate(lab: Lab, recipe: Recipe, techniques: Sequence[Technique], *, seeds: int) -> Ablation:
    """Train what is missing and compare; trainings that are there already are read."""
    plan = rungs(recipe, techniques)
    base, left = plan[0].without, dict[str, str]()
    first = lab.trained(base, base.seed, title=f"without {', '.join(t.name for t in techniques)}, seed {base.seed}")
    each = float(first.cost["seconds"]) * SAFETY
    if lab.left < each * (2 * len(_recipes(plan)) - 1):
        left |= {
            f"{r.technique.name}, {WITHOUT}": "the budget does not hold it twice" for r in plan if r.kind == WITHOUT
        }
        plan = tuple(rung for rung in plan if rung.kind == LADDER)
    if lab.left < each * (2 * len(_recipes(plan)) - 1):
        left |= {r.technique.name: "the head alone does not tell of it" for r in plan if not r.technique.screens}
        plan = tuple(rung for rung in plan if rung.technique.screens)
        return _on_heads(lab, base, plan, left)
    runs = _trained(lab, plan, seeds)
    rows = {key: [run.predictions("val") for run in own] for key, own in runs.items()}
    seconds = {key: statistics.fmean(float(run.cost["seconds"]) for run in own) for key, own in runs.items()}
    measured = [_measured(lab, rung, rows, len(plan), seconds) for rung in plan]
    return Ablation(base=base, measured=tuple(measured), how=FULL, left=left, runs=runs)


def _recipes(plan: Sequence[Rung]) -> dict[str, Recipe]:
    """All arms, the lowest first."""
    return {one.id: one for rung in plan for one in (rung.without, rung.having)}


def _trained(lab: Lab, plan: Sequence[Rung], seeds: int) -> dict[str, tuple[Run, ...]]:
    arms = _recipes(plan)
    names = {rung.having.id: f"with {rung.technique.name}" for rung in plan if rung.kind == LADDER}
    names |= {rung.without.id: f"all but {rung.technique.name}" for rung in plan if rung.kind == WITHOUT}
    runs: dict[str, list[Run]] = {key: [] for key in arms}
    for number in range(seeds):
        spent = sum(float(run.cost["seconds"]) for own in runs.values() for run in own)
        needed = SAFETY * spent / max(number, 1)
        if number and lab.left < needed:
            words = f"seed {number + 1} of {seeds} needs about {needed:.0f} s and {max(lab.left, 0):.0f} s are left"
            lab.watch({"notice": f"{words}: it is left out"})
            break
        for key, arm in arms.items():
            seed = arm.seed + number
            runs[key].append(lab.trained(arm, seed, title=f"{names.get(key, 'without any')}, seed {seed}"))
    return {key: tuple(own) for key, own in runs.items()}


def _on_heads(lab: Lab, base: Recipe, plan: Sequence[Rung], left: Mapping[str, str]) -> Ablation:
    if not plan:
        raise SnellenError(
            f"the budget does not hold two trainings with each of {', '.join(left)}, and the head alone does not tell of them; "
            "give more --budget, or fewer --techniques or --epochs"
        )
    arms = {key: head_only(recipe) for key, recipe in _recipes(plan).items()}
    wanted = [arm.change({"seed": base.seed + n}) for arm in arms.values() for n in range(HEADS)]
    known = head_rows(lab, wanted, train=True)
    rows = {key: [known[arm.id, base.seed + n] for n in range(HEADS)] for key, arm in arms.items()}
    measured = [_measured(lab, rung, rows, len(plan), None) for rung in plan]
    return Ablation(base=base, measured=tuple(measured), how=HEAD, left=left, runs={})


def _measured(
    lab: Lab, rung: Rung, rows: Mapping[str, Sequence[Rows]], planned: int, seconds: Mapping[str, float] | None
) -> Measured:
    before, after = rung.without.id, rung.having.id
    improve, metric = rung.having.improve, rung.having.metric
    level = coverage(improve.alpha, planned, look=1, last=True)
    effect = pair(rows[before], rows[after], metric=metric, level=level)
    outcome, reason = decide(
        effect, None, alpha=improve.alpha, planned_looks=planned, look=1, last=True, margin=improve.margin
    )
    decision: Decision = "undecided" if outcome == "continue" else outcome
    cost = None if seconds is None else seconds[after] - seconds[before]
    verdict = Verdict(
        remedy=rung.technique.name, finding=f"ablate, {rung.kind}", metric=metric, baseline=before, candidate=after,
        effect=effect.effect, low=effect.low, high=effect.high, level=level, samples=effect.samples, seeds=effect.seeds,
        looks=1, seconds=0.0 if seconds is None else seconds[after] * effect.seeds, decision=decision, reason=reason,
        stage="screen" if seconds is None else "confirm",
    )  # fmt: skip
    enter(lab, verdict)
    return Measured(rung=rung, verdict=verdict, before=effect.baseline, after=effect.candidate, cost=cost)


def told(found: Ablation) -> dict[str, Any]:
    """The ablation as JSON: a row for the recipe without the techniques, and one for every comparison."""
    first, runs = found.measured[0], found.runs.get(found.base.id, ())
    seconds = statistics.fmean(float(run.cost["seconds"]) for run in runs) if runs else None
    base = {
        "name": "without", "kind": LADDER, "recipe": found.base.id, "score": first.before, "seconds": seconds, "claim": "",
        "source": "", "cost": None,
    }  # fmt: skip
    return {
        "metric": found.base.metric, "seeds": first.verdict.seeds, "samples": first.verdict.samples, "how": found.how,
        "left": dict(found.left), "rows": [base, *(_row(found, item) for item in found.measured)],
    }  # fmt: skip


def _row(found: Ablation, item: Measured) -> dict[str, Any]:
    rung, verdict = item.rung, item.verdict
    # What is left out is told by the score without it, what is added by that with it.
    recipe = rung.having if rung.kind == LADDER else rung.without
    runs = found.runs.get(recipe.id, ())
    return {
        "name": rung.technique.name, "kind": rung.kind, "recipe": recipe.id,
        "score": item.after if rung.kind == LADDER else item.before,
        "seconds": statistics.fmean(float(run.cost["seconds"]) for run in runs) if runs else None, "cost": item.cost,
        "claim": rung.technique.claim, "source": rung.technique.source,
        **{key: getattr(verdict, key) for key in ("effect", "low", "high", "level", "decision", "reason")},
    }  # fmt: skip
