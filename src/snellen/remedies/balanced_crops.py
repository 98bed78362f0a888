"""Draw images by their rarest class equally often, and crop where it is."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("segmentation",)
CURES = ("background_takes_all", "weak_overlap")
SOURCE = "SPEC T6; Isensee et al. 2021, nnU-Net, Nature Methods 18 (foreground oversampling of patches)."
SAFETY: Safety = "trade-off"
ORDER = 12
SCREENS = False


def balanced_crops(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Balance the sampling; None where it is balanced already."""
    if recipe.train.sampling == "balanced":
        return None
    return Remedy(
        name="balanced_crops",
        finding=finding.rule,
        patch={"train.sampling": "balanced"},
        reason="Images of rare classes are seen as often as others, and crops hold the rare class; frequent ones may lose a little.",
        source=SOURCE,
        safety=SAFETY,
    )
