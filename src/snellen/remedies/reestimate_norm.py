"""Measure the statistics of batch normalisation anew when training has ended."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("broken_norm",)
SOURCE = "SPEC S4; Wu & Johnson 2021, arXiv:2105.07576, section 3 (PreciseBN)."
SAFETY: Safety = "safe"
ORDER = 209
SCREENS = False


def reestimate_norm(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Switch it on; None where it is on, where normalisation is frozen, or where only heads are trained."""
    alone = all(stage.unfreeze == "head" for stage in recipe.stages)
    if recipe.train.renorm or recipe.train.freeze_norm or alone:
        return None
    return Remedy(
        name="reestimate_norm",
        finding=finding.rule,
        patch={"train.renorm": True},
        reason="One pass over the training images measures what evaluation should normalise by; no weight changes.",
        source=SOURCE,
        safety=SAFETY,
    )
