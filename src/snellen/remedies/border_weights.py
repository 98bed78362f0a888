"""Let the pixels at outlines count more."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("segmentation",)
CURES = ("ragged_borders",)
SOURCE = "SPEC S5; Ronneberger et al. 2015, U-Net, arXiv:1505.04597, eq. 2."
SAFETY: Safety = "trade-off"
ORDER = 118
SCREENS = False
APPLIES = {"loss": {"name": "dice_focal", "settings": {}}}


def border_weights(finding: Finding, recipe: Recipe, *, border: float = 4.0) -> Remedy | None:
    """Pixels at outlines count five times; None where the loss has no such setting, or a weight already."""
    settings = dict(recipe.loss.settings)
    if recipe.loss.name != "dice_focal" or settings.get("border", 0.0) > 0:
        return None
    return Remedy(
        name="border_weights",
        finding=finding.rule,
        patch={"loss": {"name": "dice_focal", "settings": {**settings, "border": border}}},
        reason=f"Pixels at most two away from another class count {1 + border:g} times: few as they are, they are what the border is.",
        source=SOURCE,
        safety=SAFETY,
    )
