"""Soup: the weights of the runs that healing has paid for, averaged into one model that costs no more to serve.

Wortsman et al. 2022, Model soups (arXiv:2203.05482), section 2: runs that were fine-tuned from the same weights mostly lie in
one basin, and their mean is as good as the best of them or better. Here all of them begin at the pretrained trunk. The mean
is taken of everything, also of running statistics: the runs are close enough that these need no new estimate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from snellen import store
from snellen.budget import SAFETY
from snellen.case import Case
from snellen.derived import derived
from snellen.examine import diagnose
from snellen.improve.heal import Healed
from snellen.improve.lab import Lab
from snellen.improve.pair import Effect, pair
from snellen.run import Run
from snellen.shelf import TASKS

LEVEL = 0.95
# Runs of one recipe that are averaged at most: each further one brings less.
MOST = 5
# In the name of a soup's folder, where a training has its seed.
MARK = "-soup-"


def soup(lab: Lab, healed: Healed) -> Healed:
    """The average of all runs of this recipe and of the candidates that were not found worse, where it is not worse on
    validation than the one run. Else of this recipe's runs alone; else the run as it is. Time that the budget has left is
    spent on further seeds.

    Not worse: the smooth metric of the task (for classes: the calibrated log loss) has not fallen, and the recipe's metric has no interval below 0. (The one run's epoch was chosen
    by that metric on these samples, so that its own value flatters it.) No proof is claimed and no error budget spent:
    soup.json holds what went in, and the effects with their intervals.
    """
    if not healed.recipe.improve.soup:
        return healed
    more_seeds(lab, healed)
    smooth = str(TASKS.constant(healed.recipe.task, "SMOOTH"))
    for runs in ingredients(lab.case, healed):
        made = _made(lab, healed.run, runs)
        arms = [healed.run.predictions("val")], [made.predictions("val")]
        effects = {metric: pair(*arms, metric=metric, level=LEVEL) for metric in (smooth, healed.recipe.metric)}
        kept = effects[smooth].effect >= 0 and effects[healed.recipe.metric].high >= 0
        lab.case.write("soup", _about(runs, effects, kept=kept))
        gain = effects[smooth]
        lab.watch(
            {"notice": f"average of {len(runs)} runs{'' if kept else ' (not taken)'}: validation log loss (calibrated) {-gain.effect:+.3f} "
             f"[{-gain.high:+.3f}, {-gain.low:+.3f}]"}
        )  # fmt: skip
        if kept:
            made.write_findings(diagnose(made))
            return replace(healed, run=made)
    return healed


def more_seeds(lab: Lab, healed: Healed) -> None:
    """Train further seeds of the recipe, up to MOST, while the budget's rest holds another run."""
    if lab.deadline is None:
        return
    recipe, seconds = healed.recipe, float(healed.run.cost["seconds"]) * SAFETY
    for number in range(1, MOST):
        seed = recipe.seed + number
        if lab.case.run(recipe.id, seed).done or lab.left >= seconds:
            lab.trained(recipe, seed, title=f"one more run for the average, seed {seed}")


def ingredients(case: Case, healed: Healed) -> list[list[Run]]:
    """What to try, in order: lists of two runs or more, the run that stands first."""
    own, standing = healed.recipe.id, case.verdicts
    # The last verdict counts: what was undecided for want of time may have been rejected since.
    last = {v.candidate: v.decision for v in standing if v.baseline == own and v.seeds}
    open_ones = {candidate for candidate, decision in last.items() if decision == "undecided"}
    known = [run for run in case.runs if run.done and _fits(run, healed.run)]
    tries = []
    for ids in ({own, *open_ones}, {own}):
        runs = [healed.run, *(run for run in known if run.folder.name.rpartition("-s")[0] in ids)]
        if len(runs) > 1 and runs not in tries:
            tries.append(runs)
    return tries


def _fits(run: Run, first: Run) -> bool:
    """Another seed or recipe, with the same network on the same images and classes, that was trained to its end."""
    if run.folder == first.folder or run.cost.get("derived") or run.cost.get("stopped"):
        return False
    mine, other = first.recipe, run.recipe
    same = (
        mine.model == other.model and mine.data.size == other.data.size and mine.data.eval_size == other.data.eval_size
    )
    return same and run.predictions("val").classes == first.predictions("val").classes


def average(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of every floating-point tensor; counters are those of the first."""
    return {
        key: torch.stack([state[key].double() for state in states]).mean(dim=0).to(value.dtype) if value.is_floating_point() else value
        for key, value in states[0].items()
    }  # fmt: skip


def _made(lab: Lab, first: Run, runs: Sequence[Run]) -> Run:
    """The soup as a run of its own: recipe and signals are those of the first run, weights and predictions its own."""
    names = [run.folder.name for run in runs]
    mark = hashlib.blake2b("\n".join(names).encode(), digest_size=3).hexdigest()
    name = f"{first.folder.name.rpartition('-s')[0]}{MARK}{mark}"

    def weights() -> dict[str, Tensor]:
        return average([store.read_tensors(run.checkpoint("best"))[0] for run in runs])

    return derived(lab, first, name, weights, {"averaged": names})


def _about(runs: Sequence[Run], effects: dict[str, Effect], *, kept: bool) -> dict[str, Any]:
    numbers = ("effect", "low", "high", "samples")
    return {
        "runs": [run.folder.name for run in runs], "kept": kept,
        "effects": {metric: {key: getattr(effect, key) for key in numbers} for metric, effect in effects.items()},
    }  # fmt: skip
