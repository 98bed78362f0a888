"""Switch augmentation on: flips, crops, brightness and contrast."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification", "segmentation")
CURES = ("overfitting", "overlap_gap")
SOURCE = "SPEC D8; Krizhevsky, Sutskever & Hinton 2012, §4.1; Shorten & Khoshgoftaar 2019."
SAFETY: Safety = "trade-off"
ORDER = 30
SCREENS = False


def augment(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Add three common augmentations; None where the recipe has any. Mirrored text and digits change their meaning."""
    if recipe.augment.parts:
        return None
    return Remedy(
        name="augment",
        finding=finding.rule,
        patch={"augment.parts": [{"name": name} for name in ("flip", "crop", "brightness_contrast")]},
        reason="Augmentation is off: every epoch shows the same pixels, which can be learned by heart.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
