"""Train on images with a patch of another and a label in proportion."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification",)
CURES = ("overfitting",)
SOURCE = "SPEC D8 (beta 1.0); Yun et al. 2019, arXiv:1905.04899."
SAFETY: Safety = "trade-off"
ORDER = 230
SCREENS = False


def cutmix(finding: Finding, recipe: Recipe, *, beta: float = 1.0) -> Remedy | None:
    """Switch CutMix on; None where it is on. A small object can vanish under the patch."""
    if recipe.augment.cutmix > 0:
        return None
    return Remedy(
        name="cutmix",
        finding=finding.rule,
        patch={"augment.cutmix": beta},
        reason="With a patch missing, the model must know a class by more than its most telling part.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
