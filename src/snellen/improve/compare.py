"""Compare: some recipes against the first of them, run by run with the same seeds, each difference with its interval."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from snellen.budget import SAFETY
from snellen.improve.decide import coverage, decide
from snellen.improve.heal import enter
from snellen.improve.lab import Lab
from snellen.improve.pair import Effect, pair
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.run import Run
from snellen.values import Decision, SnellenError, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One of the things compared: a name for the reader, and the whole recipe."""

    name: str
    recipe: Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One arm when all is trained. `verdict` is that on the difference to the first arm, which has none itself."""

    arm: Arm
    runs: tuple[Run, ...]
    scores: tuple[float, ...]
    verdict: Verdict | None

    @property
    def score(self) -> float:
        """Mean over the seeds."""
        return statistics.fmean(self.scores)

    @property
    def seconds(self) -> float:
        """Mean seconds of a training."""
        return statistics.fmean(float(run.cost["seconds"]) for run in self.runs)

    @property
    def curves(self) -> tuple[tuple[float, ...], ...]:
        """The share of validation that is right after each epoch (where the task has none, the loss with a minus), one curve
        per seed."""
        return tuple(
            tuple(float(row.get("val_accuracy", -row["val"])) for row in run.signals("loss")) for run in self.runs
        )


def compare(lab: Lab, arms: Sequence[Arm], *, seeds: int, experiment: str) -> tuple[Compared, ...]:
    """Train every arm with as many seeds, and pair each with the first; verdicts go into the case's ledger.

    Trainings that are there already are read. All arms of a seed are trained before the next seed, and that is begun only
    where the time left holds it: so what is compared is always paired. There is one look, at the end, and its error budget
    (`recipe.improve.alpha`) is shared by the arms. Raises SnellenError for arms that cannot be compared.
    """
    _check(arms, seeds)
    runs: dict[str, list[Run]] = {arm.name: [] for arm in arms}
    for number in range(seeds):
        spent = [float(run.cost["seconds"]) for own in runs.values() for run in own]
        needed = SAFETY * sum(spent) / max(number, 1)
        if number and lab.left < needed:
            words = f"seed {number + 1} of {seeds} needs about {needed:.0f} s and {max(lab.left, 0):.0f} s are left"
            lab.watch({"notice": f"{words}: it is left out"})
            break
        for arm in arms:
            seed = arm.recipe.seed + number
            runs[arm.name].append(lab.trained(arm.recipe, seed, title=f"{arm.name}, seed {seed}"))
    rows = {arm.name: [run.predictions("val") for run in runs[arm.name]] for arm in arms}
    found = []
    for place, arm in enumerate(arms):
        own = runs[arm.name]
        verdict = _verdict(arms, arm, rows, own, experiment) if place else None
        if verdict is not None:
            enter(lab, verdict)
        scores = tuple(float(run.cost["score"]) for run in own)
        found.append(Compared(arm=arm, runs=tuple(own), scores=scores, verdict=verdict))
    return tuple(found)


def _check(arms: Sequence[Arm], seeds: int) -> None:
    if len(arms) < 2 or seeds < 1:
        raise SnellenError(
            f"{len(arms)} arms and {seeds} seeds: a comparison needs two arms or more and a seed or more"
        )
    places: dict[str, str] = {}
    for arm in arms:
        if arm.name in places.values() or arm.recipe.id in places:
            same = places.get(arm.recipe.id, arm.name)
            raise SnellenError(f"{arm.name} and {same} are the same recipe; name each thing to compare once")
        places[arm.recipe.id] = arm.name


def _verdict(
    arms: Sequence[Arm], arm: Arm, rows: dict[str, list[Rows]], runs: Sequence[Run], experiment: str
) -> Verdict:
    first, planned = arms[0], len(arms) - 1
    improve = first.recipe.improve
    level = coverage(improve.alpha, planned, look=1, last=True)
    effect: Effect = pair(rows[first.name], rows[arm.name], metric=first.recipe.metric, level=level)
    outcome, reason = decide(
        effect, None, alpha=improve.alpha, planned_looks=planned, look=1, last=True, margin=improve.margin
    )
    decision: Decision = "undecided" if outcome == "continue" else outcome
    return Verdict(
        remedy=arm.name, finding=experiment, metric=effect.metric, baseline=first.recipe.id, candidate=arm.recipe.id,
        effect=effect.effect, low=effect.low, high=effect.high, level=level, samples=effect.samples, seeds=effect.seeds,
        looks=1, seconds=sum(float(run.cost["seconds"]) for run in runs), decision=decision, reason=reason,
    )  # fmt: skip


def convergence(found: Sequence[Compared]) -> dict[str, dict[str, Any]]:
    """How fast each arm learns: mean epochs and seconds until its curve reaches the level that the weakest arm reaches at its
    best in the mean over its seeds. A seed that never reaches it counts in `missed`, not in the means."""
    level = min(statistics.fmean(max(curve) for curve in item.curves) for item in found)
    answer = {}
    for item in found:
        epochs, seconds = [], []
        for curve, run in zip(item.curves, item.runs, strict=True):
            reached = next((place for place, value in enumerate(curve, start=1) if value >= level), None)
            if reached is not None:
                epochs.append(reached)
                seconds.append(float(run.cost["seconds"]) * reached / len(curve))
        answer[item.arm.name] = {
            "level": level, "epochs": statistics.fmean(epochs) if epochs else None,
            "seconds": statistics.fmean(seconds) if seconds else None, "missed": len(item.runs) - len(epochs),
        }  # fmt: skip
    return answer
