"""Let a loss of pixels alone weigh the overlap of every class too."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("segmentation",)
CURES = ("background_takes_all",)
SOURCE = "SPEC T5; Milletari et al. 2016, arXiv:1606.04797, §3; Sudre et al. 2017, arXiv:1707.03237."
SAFETY: Safety = "safe"
ORDER = 203
SCREENS = False
RESTORES = True
APPLIES = {"loss": {"name": "pixel_cross_entropy", "settings": {}}}


def overlap_loss(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Dice and cross-entropy, as advice has them; None where the loss does not count pixels alone."""
    if recipe.loss.name != "pixel_cross_entropy":
        return None
    return Remedy(
        name="overlap_loss",
        finding=finding.rule,
        patch={"loss": {"name": "dice_focal", "settings": {"gamma": 0.0}}},
        reason="Counted by pixels a rare class hardly matters; Dice counts every class alike, beside the cross-entropy of each pixel.",
        source=SOURCE,
        safety=SAFETY,
    )
