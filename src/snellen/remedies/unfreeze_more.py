"""Train more of the network in the last stage."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("underfitting", "below_baseline")
SOURCE = "SPEC M3; Yosinski et al. 2014, arXiv:1411.1792 (features of upper layers are specific to their data)."
SAFETY: Safety = "trade-off"
ORDER = 286
SCREENS = False
APPLIES = {"stages": [{"name": "head", "unfreeze": "head", "epochs": 10}]}

NEXT = {"head": "last", "last": "all"}


def unfreeze_more(finding: Finding, recipe: Recipe) -> Remedy | None:
    """head → last, last → all; None where all of it is trained. It costs time."""
    place = len(recipe.stages) - 1
    stage = recipe.stages[place]
    if stage.unfreeze == "all":
        return None
    new = NEXT[stage.unfreeze]
    return Remedy(
        name="unfreeze_more",
        finding=finding.rule,
        patch={f"stages.{place}.unfreeze": new},
        reason=f"Stage {stage.name!r} trains {new!r} instead of {stage.unfreeze!r}: what was pretrained for other images may follow these.",
        source=SOURCE,
        safety=SAFETY,
    )
