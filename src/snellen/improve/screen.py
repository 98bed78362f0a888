"""Screen: a cheap first look, the head alone on cached features. It can drop a remedy and order the rest, never adopt."""

from __future__ import annotations

import time

from snellen.improve.lab import Lab
from snellen.improve.pair import Effect, pair
from snellen.improve.prescribe import Prescription
from snellen.recipe import Recipe
from snellen.values import Verdict

SEEDS = 3
LEVEL = 0.95


def head_only(recipe: Recipe) -> Recipe:
    """The recipe with nothing but its head stage (one is made where it has none)."""
    heads = [stage.model_dump(mode="json") for stage in recipe.stages if stage.unfreeze == "head"]
    return recipe.change({"stages": heads[:1] or [{"name": "head", "unfreeze": "head", "epochs": 10, "lr_scale": 5.0}]})


def screen(lab: Lab, recipe: Recipe, prescription: Prescription) -> tuple[Effect, Verdict | None]:
    """The effect on the head alone, and a rejecting verdict where its 95 % interval lies below 0."""
    start = time.perf_counter()
    remedy = prescription.remedy
    lab.watch({"title": f"screen {remedy.name}"})
    base, candidate = head_only(recipe), head_only(recipe.change(remedy.patch))
    seeds = range(recipe.seed, recipe.seed + SEEDS)
    arms = [[lab.validation(arm, seed, folder="screen") for seed in seeds] for arm in (base, candidate)]
    effect = pair(arms[0], arms[1], metric=remedy.metric or recipe.metric, level=LEVEL)
    if effect.high >= 0:
        return effect, None
    verdict = Verdict(
        remedy=remedy.name, finding=remedy.finding, metric=effect.metric, baseline=base.id, candidate=candidate.id,
        effect=effect.effect, low=effect.low, high=effect.high, level=LEVEL, samples=effect.samples, seeds=effect.seeds,
        looks=1, seconds=time.perf_counter() - start, decision="reject", stage="screen",
        reason="worse already with the head alone on cached features, so it was not tried on the whole network",
    )  # fmt: skip
    return effect, verdict
