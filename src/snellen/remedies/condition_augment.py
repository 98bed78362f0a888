"""Vary, for all images, what the worst ones have in common."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.remedies.aimed_augment import fitting
from snellen.values import Finding, Remedy, Safety

TASKS = ("segmentation",)
CURES = ("hard_condition",)
SOURCE = "SPEC D9, S3; augmentation that covers the missing condition: Hendrycks & Dietterich 2019, arXiv:1903.12261."
SAFETY: Safety = "safe"
ORDER = 21
SCREENS = False


def condition_augment(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Add the parts that make images of the condition; None where they are there already or none fits it.

    A mask has pixels of several classes, so that the parts are for whole images, not aimed at a class.
    """
    condition = str(finding.evidence["condition"])
    old = [part.model_dump(mode="json") for part in recipe.augment.parts]
    wanted = [
        {"name": name, "settings": dict(values)}
        for name, values in fitting(condition, str(finding.evidence["direction"]))
    ]
    new = [part for part in wanted if part not in old]
    if not new:
        return None
    # A part that is there with other settings gives way: twice the same would be stronger than meant.
    names = {part["name"] for part in new}
    return Remedy(
        name="condition_augment",
        finding=finding.rule,
        patch={"augment.parts": [*(part for part in old if part["name"] not in names), *new]},
        reason=f"Training shows all images with more variation in {condition}, where the worst ones concentrate.",
        source=SOURCE,
        safety=SAFETY,
    )
