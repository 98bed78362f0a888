"""Train on mixtures of two images and their labels."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification",)
CURES = ("overfitting", "overconfident")
SOURCE = "SPEC S1, D8 (alpha 0.4); Zhang et al. 2018, arXiv:1710.09412."
SAFETY: Safety = "safe"
ORDER = 220
SCREENS = False


def mixup(finding: Finding, recipe: Recipe, *, alpha: float = 0.4) -> Remedy | None:
    """Switch Mixup on; None where it is on."""
    if recipe.augment.mixup > 0:
        return None
    return Remedy(
        name="mixup",
        finding=finding.rule,
        patch={"augment.mixup": alpha},
        reason=f"Mixtures (alpha {alpha:g}) cannot be learned by heart: no two epochs show the same one.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
