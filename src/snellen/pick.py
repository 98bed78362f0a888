"""Pick: where the runs of the proofs are not to be averaged, the best of them on validation.

A decoder that began at noise is another one with every seed: the mean of two is none. But what was paid for need not be thrown
away, and who would train the same recipe again and again with the time that is left would take the best as well.
"""

from __future__ import annotations

from dataclasses import replace

from snellen.examine import diagnose
from snellen.improve.heal import Healed
from snellen.improve.lab import Lab
from snellen.run import Run
from snellen.soup import ingredients, more_seeds


def picked(lab: Lab, healed: Healed) -> Healed:
    """The run with the best score (`recipe.metric`) on validation: of this recipe, and of the candidates that were not found worse. Time
    that the budget has left is spent on further seeds. Does nothing where runs are averaged (`improve.soup`).

    No proof is claimed and no error budget spent: a best of several is flattered by the validation that it was chosen on.
    pick.json holds the scores, by the runs' folders.
    """
    if healed.recipe.improve.soup:
        return healed
    more_seeds(lab, healed)
    tries = ingredients(lab.case, healed)
    if not tries:
        return healed
    runs = tries[0]
    best = max(runs, key=_score)
    scores = {run.folder.name: _score(run) for run in runs}
    lab.case.write("pick", {"scores": scores, "metric": healed.recipe.metric, "first": healed.run.folder.name, "taken": best.folder.name})  # fmt: skip
    words = "the first stays" if best == healed.run else f"{_score(best):.3f}, the first had {_score(healed.run):.3f}"
    lab.watch({"notice": f"best of {len(runs)} runs on validation: {words}"})
    if best == healed.run:
        return healed
    best.write_findings(diagnose(best))
    return replace(healed, recipe=best.recipe, run=best)


def _score(run: Run) -> float:
    return float(run.cost["score"])
