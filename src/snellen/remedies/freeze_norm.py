"""Keep the statistics of batch normalisation as they were pretrained."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("broken_norm", "gradient_unstable")
SOURCE = "SPEC S4; statistics of small batches are noisy: Wu & He 2018, arXiv:1803.08494, fig. 1."
SAFETY: Safety = "safe"
ORDER = 110
SCREENS = False
APPLIES = {"train.batch": 8}


def freeze_norm(finding: Finding, recipe: Recipe, *, small: int = 16) -> Remedy | None:
    """Freeze batch normalisation; None without pretrained weights, where it is frozen, and for batches above `small` whose
    statistics have not been seen to be broken."""
    broken = finding.rule == "broken_norm"
    if recipe.train.freeze_norm or recipe.model.weights == "none" or (recipe.train.batch > small and not broken):
        return None
    return Remedy(
        name="freeze_norm",
        finding=finding.rule,
        patch={"train.freeze_norm": True},
        reason=f"The statistics of batches of {recipe.train.batch} images do not serve; the pretrained ones stay.",
        source=SOURCE,
        safety=SAFETY,
    )
