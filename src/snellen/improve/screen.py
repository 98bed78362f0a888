"""Screen: a cheap first look at all remedies together, the heads alone on cached features. It can drop a remedy and order
the rest, never adopt."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from snellen.improve.lab import Lab
from snellen.improve.pair import Effect, pair
from snellen.improve.prescribe import Prescription
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.run import Run
from snellen.train.heads import train_heads
from snellen.values import Verdict

SEEDS = 3
LEVEL = 0.95

Known = Mapping[tuple[str, int], Rows]


@dataclass(frozen=True, slots=True)
class Look:
    """What a screen says of one remedy: its effect on the head alone, and a verdict where that rejects it. No effect
    means that there was nothing to compare."""

    effect: Effect | None = None
    verdict: Verdict | None = None


def head_only(recipe: Recipe) -> Recipe:
    """The recipe with nothing but its head stage (one is made where it has none)."""
    heads = [stage.model_dump(mode="json") for stage in recipe.stages if stage.unfreeze == "head"]
    return recipe.change({"stages": heads[:1] or [{"name": "head", "unfreeze": "head", "epochs": 10, "lr_scale": 5.0}]})


def screen(lab: Lab, recipe: Recipe, prescriptions: Sequence[Prescription], *, train: bool = True) -> tuple[Look, ...]:
    """A look at every prescription, in their order; a remedy is rejected where its 95 % interval lies below 0.

    The heads of the recipe and of all remedies are trained together, SEEDS each, and their rows kept in the case's
    screen/: a resumed path trains none again and comes to the same verdicts. With `train` off, kept rows are all there is.
    """
    start = time.perf_counter()
    seeds = range(recipe.seed, recipe.seed + SEEDS)
    base = head_only(recipe)
    candidates = [head_only(recipe.change(prescription.remedy.patch)) for prescription in prescriptions]
    arms = [arm.change({"seed": seed}) for arm in (base, *candidates) for seed in seeds] if candidates else []
    rows = head_rows(lab, arms, train=train)
    seconds = (time.perf_counter() - start) / max(len(candidates), 1)
    return tuple(
        _look(rows, recipe, prescription, base, candidate, seconds=seconds)
        for prescription, candidate in zip(prescriptions, candidates, strict=True)
    )


def head_rows(lab: Lab, arms: Sequence[Recipe], *, train: bool) -> Known:
    """Validation rows by recipe and seed: those that are kept, and the others trained and kept."""
    places = {(arm.id, arm.seed): Run(lab.case.folder / "screen" / f"{arm.id}-s{arm.seed}") for arm in arms}
    known = {key for key, run in places.items() if (run.folder / "predictions" / "val.parquet").is_file()}
    missing = [arm for arm in arms if (arm.id, arm.seed) not in known]
    if missing and train:
        lab.watch({"title": f"screen: {len(missing)} heads together"})
        found = train_heads(
            missing, lab.catalog, lab.pixels, setting=lab.setting, cache=lab.cache, watch=lab.watch, stop=lab.stop
        )
        for key, rows in found.items():
            places[key].write_predictions("val", rows)
        known = set(places)
    # Also what was trained just now is read, so that a resumed path sees the same digits.
    return {key: run.predictions("val") for key, run in places.items() if key in known}


def _look(
    rows: Known, recipe: Recipe, prescription: Prescription, base: Recipe, candidate: Recipe, *, seconds: float
) -> Look:
    seeds = range(recipe.seed, recipe.seed + SEEDS)
    if not all((arm.id, seed) in rows for arm in (base, candidate) for seed in seeds):
        return Look()
    before, after = ([rows[arm.id, seed] for seed in seeds] for arm in (base, candidate))
    if any(_broken(one) for one in before):
        return Look()
    remedy = prescription.remedy
    metric = remedy.metric or recipe.metric
    broken = [seed for seed, one in zip(seeds, after, strict=True) if _broken(one)]
    effect = None if broken else pair(before, after, metric=metric, level=LEVEL)
    if effect is not None and effect.high >= 0:
        return Look(effect)
    verdict = Verdict(
        remedy=remedy.name, finding=remedy.finding, metric=metric, baseline=base.id, candidate=candidate.id,
        effect=effect.effect if effect else None, low=effect.low if effect else None, high=effect.high if effect else None,
        level=LEVEL, samples=len(before[0].ids), seeds=SEEDS, looks=1, seconds=seconds, decision="reject", stage="screen",
        reason=_because(broken),
    )  # fmt: skip
    return Look(effect, verdict)


def _because(broken: Sequence[int]) -> str:
    if broken:
        said = f"the head alone does not stay finite with it (seed {', '.join(map(str, broken))})"
    else:
        said = "worse already with the head alone on cached features"
    return f"{said}, so it was not tried on the whole network"


def _broken(rows: Rows) -> bool:
    return not bool(rows.finite.all())
