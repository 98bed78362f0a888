"""What healing has adopted, one after another, and whether all of it together is still no worse than where it began.

Each remedy was proved on the metric that it claims, and may cost the recipe's own up to `improve.margin`. Several may not cost
several times that: what they come to is measured on the runs that are there, and taken back from the last on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from snellen.case import Case
from snellen.improve.decide import describe
from snellen.improve.pair import Effect, pair
from snellen.recipe import Recipe
from snellen.values import Verdict

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Adopted:
    """`first` is where healing began; `steps` the recipes that were adopted, each with its verdict."""

    first: Recipe
    steps: tuple[tuple[Recipe, Verdict], ...] = ()

    def then(self, recipe: Recipe, verdict: Verdict) -> Adopted:
        """With one more."""
        return Adopted(self.first, (*self.steps, (recipe, verdict)))

    def before(self, verdict: Verdict) -> Recipe:
        """The recipe that a withdrawn remedy was added to."""
        recipes = (self.first, *(recipe for recipe, _ in self.steps))
        return next(recipe for recipe in recipes if recipe.id == verdict.baseline)


def withdrawn(case: Case, adopted: Adopted) -> Iterator[Verdict]:
    """Verdicts that take back what was adopted, from the last on, until the recipe's own metric is no lower than at the first by more
    than the margin. A single remedy has been held to that by its trial."""
    for recipe, verdict in reversed(adopted.steps[1:]):
        effect = _together(case, adopted.first, recipe)
        if effect.effect >= -adopted.first.improve.margin and effect.high >= 0:
            return
        yield replace(
            verdict, metric=effect.metric, effect=effect.effect, low=effect.low, high=effect.high, level=LEVEL, looks=0, seconds=0.0,
            samples=effect.samples, seeds=effect.seeds, decision="reject",
            reason=f"taken back: all that was adopted together is worse than where healing began, {describe(effect)}",
        )  # fmt: skip


def _together(case: Case, first: Recipe, last: Recipe) -> Effect:
    """The last against the first on the recipe's metric, over the seeds that both were trained with."""
    seeds = range(first.seed, first.seed + first.improve.seeds)
    both = [seed for seed in seeds if case.run(first.id, seed).done and case.run(last.id, seed).done]
    arms = ([case.run(recipe.id, seed).predictions("val") for seed in both] for recipe in (first, last))
    return pair(*arms, metric=first.metric, level=LEVEL)
