"""Trial: one remedy against the present recipe, seed by seed, until the interval decides or the time is up."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from snellen.improve.decide import Outcome, coverage, decide
from snellen.improve.effort import effort
from snellen.improve.lab import Lab
from snellen.improve.pair import Effect, pair
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.values import Decision, Remedy, SnellenError, Verdict

# Level of the look after the first seed, which can only reject.
FUTILE = 0.95


@dataclass(frozen=True, slots=True)
class Budget:
    """The error budget: `alpha` shared by all `looks`, planned before the first of them."""

    alpha: float
    looks: int


def verify(lab: Lab, recipe: Recipe, remedy: Remedy, budget: Budget, *, seconds: float, seeds: int) -> Verdict:
    """Train both arms with seed after seed and look after the second, third, …; the verdict counts its looks.

    `seconds` is the expected cost of one run of `recipe` (a remedy that trains longer costs more, by its epochs); where the time left does not hold the next look, the verdict is undecided.
    After the first seed there is a look that can only reject: it claims nothing, so it costs no budget. A remedy that cannot be
    trained (its setting does not fit the model or the machine) is rejected with what was said; raises SnellenError where the
    recipe itself cannot.
    """
    start = time.perf_counter()
    candidate = recipe.change(remedy.patch)
    arms: tuple[list[Rows], list[Rows]] = ([], [])
    effect: Effect | None = None
    decision: Outcome = "continue"
    reason = ""
    for number in range(seeds):
        # One seed is no proof: the first is begun only where the second fits too.
        ahead = (number, number + 1) if number == 0 else (number,)
        needed = sum(_untrained(lab, recipe, candidate, recipe.seed + one) for one in ahead) * seconds
        # What is trained already costs nothing: a resumed path comes to the same verdict though its time is over.
        if needed and lab.left < needed:
            reason = _no_time(needed, lab.left) if effect is None else f"{_no_time(needed, lab.left)}; so far: {reason}"
            break
        for arm, rows in zip((recipe, candidate), arms, strict=True):
            seed = recipe.seed + number
            new = not lab.case.run(arm.id, seed).done
            title = f"{remedy.name}: {'without' if arm is recipe else 'with'}, seed {seed}" if new else ""
            try:
                rows.append(lab.validation(arm, seed, title=title))
            except SnellenError as error:
                if arm is recipe:
                    raise
                said = f"cannot be trained: {error}"
                return _verdict(remedy, recipe, candidate, None, "reject", said, time.perf_counter() - start)
        effect, decision, reason = _look(arms, recipe, remedy, budget, last=number == seeds - 1)
        if decision != "continue":
            break
    final: Decision = "undecided" if decision == "continue" else decision
    return _verdict(remedy, recipe, candidate, effect, final, reason, time.perf_counter() - start)


def _look(
    arms: tuple[Sequence[Rows], Sequence[Rows]],
    recipe: Recipe,
    remedy: Remedy,
    budget: Budget,
    *,
    last: bool,
) -> tuple[Effect, Outcome, str]:
    metric, look = remedy.metric or recipe.metric, len(arms[0]) - 1
    if look == 0:
        effect = pair(*arms, metric=metric, level=FUTILE)
        worse = effect.high < 0
        return (
            effect,
            "reject" if worse else "continue",
            "clearly worse with the first seed" if worse else "one seed is no proof",
        )
    level = coverage(budget.alpha, budget.looks, look=look, last=last)
    effect = pair(*arms, metric=metric, level=level)
    primary = None if metric == recipe.metric else pair(*arms, metric=recipe.metric, level=level)
    outcome, reason = decide(
        effect,
        primary,
        alpha=budget.alpha,
        planned_looks=budget.looks,
        look=look,
        last=last,
        margin=recipe.improve.margin,
    )
    return effect, outcome, reason


def _untrained(lab: Lab, recipe: Recipe, candidate: Recipe, seed: int) -> float:
    """What is still to be trained of both arms, as multiples of a run of `recipe`."""
    return sum(effort(arm) / effort(recipe) for arm in (recipe, candidate) if not lab.case.run(arm.id, seed).done)


def _no_time(needed: float, left: float) -> str:
    return f"the next pair of runs needs about {needed:.0f} s and {max(left, 0):.0f} s of the budget are left"


def _verdict(
    remedy: Remedy,
    recipe: Recipe,
    candidate: Recipe,
    effect: Effect | None,
    decision: Decision,
    reason: str,
    seconds: float,
) -> Verdict:
    return Verdict(
        remedy=remedy.name, finding=remedy.finding, metric=remedy.metric or recipe.metric, baseline=recipe.id,
        candidate=candidate.id, effect=effect.effect if effect else None, low=effect.low if effect else None,
        high=effect.high if effect else None, level=effect.level if effect else FUTILE, samples=effect.samples if effect else 0,
        seeds=effect.seeds if effect else 0, looks=max(effect.seeds - 1, 0) if effect else 0, seconds=seconds,
        decision=decision, reason=reason,
    )  # fmt: skip
