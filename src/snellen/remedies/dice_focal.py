"""Weigh classes by their overlap and pixels by how hard they are."""

from __future__ import annotations

from typing import Any

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("segmentation",)
CURES = ("background_takes_all", "weak_overlap", "lost_objects")
SOURCE = "SPEC T5; Lin et al. 2017, arXiv:1708.02002; Milletari et al. 2016, arXiv:1606.04797."
SAFETY: Safety = "safe"
ORDER = 205
SCREENS = False


def dice_focal(finding: Finding, recipe: Recipe, *, gamma: float = 2.0) -> Remedy | None:
    """Dice with focal loss, gamma 2; None where the recipe has that."""
    now = recipe.loss
    focal = float(now.settings.get("gamma", 2.0)) if now.name == "dice_focal" else 0.0
    if now.name == "dice_focal" and focal >= gamma:
        return None
    # Weights of classes stay.
    kept = now.settings if now.name == "dice_focal" else {}
    patch: dict[str, Any] = {"loss": {"name": "dice_focal", "settings": {**kept, "gamma": gamma}}}
    before = f"{now.name} with gamma {focal:g}" if now.name == "dice_focal" else now.name
    return Remedy(
        name="dice_focal",
        finding=finding.rule,
        patch=patch,
        reason=f"{before} becomes Dice with focal loss (gamma {gamma:g}): few pixels of a class, and hard ones, count more.",
        source=SOURCE,
        safety=SAFETY,
    )
