"""Keep the statistics of batch normalisation as they were pretrained."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("gradient_unstable",)
SOURCE = "SPEC S4; statistics of small batches are noisy: Wu & He 2018, arXiv:1803.08494, fig. 1."
SAFETY: Safety = "safe"
ORDER = 110
SCREENS = False
APPLIES = {"train.batch": 8}


def freeze_norm(finding: Finding, recipe: Recipe, *, small: int = 16) -> Remedy | None:
    """Freeze batch normalisation; None for batches above `small`, without pretrained weights, or where it is frozen."""
    if recipe.train.freeze_norm or recipe.train.batch > small or recipe.model.weights == "none":
        return None
    return Remedy(
        name="freeze_norm",
        finding=finding.rule,
        patch={"train.freeze_norm": True},
        reason=f"Batches of {recipe.train.batch} images give noisy statistics; the pretrained ones stay.",
        source=SOURCE,
        safety=SAFETY,
    )
