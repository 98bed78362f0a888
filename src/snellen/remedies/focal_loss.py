"""Let what is learned already weigh less."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification",)
CURES = ("weak_class", "class_imbalance")
SOURCE = "SPEC L1; Lin et al. 2017, arXiv:1708.02002 (gamma 2)."
SAFETY: Safety = "trade-off"
ORDER = 236
SCREENS = True


def focal_loss(finding: Finding, recipe: Recipe, *, gamma: float = 2.0) -> Remedy | None:
    """Focal loss in the place of cross-entropy; None where the recipe has chosen another loss."""
    if recipe.loss.name != "cross_entropy":
        return None
    smoothing = recipe.loss.settings.get("smoothing", 0.1)
    return Remedy(
        name="focal_loss",
        finding=finding.rule,
        patch={"loss": {"name": "focal", "settings": {"gamma": gamma, "smoothing": smoothing}}},
        reason=f"Images that are right already weigh less (gamma {gamma:g}): the hard class gets more of every step.",
        source=SOURCE,
        safety=SAFETY,
        metric="recall_macro",
    )
