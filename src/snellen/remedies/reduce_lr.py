"""Lower the learning rate to a third."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("plateau",)
SOURCE = "SPEC L5 (reduce on plateau); He et al. 2016, arXiv:1512.03385, §3.4."
SAFETY: Safety = "safe"
ORDER = 206
SCREENS = False


def reduce_lr(finding: Finding, recipe: Recipe, *, factor: float = 0.3, least: float = 1e-6) -> Remedy | None:
    """Lower the rate by `factor`; None below `least`."""
    new = recipe.optim.lr * factor
    if new < least:
        return None
    return Remedy(
        name="reduce_lr",
        finding=finding.rule,
        patch={"optim.lr": new},
        reason=f"At {recipe.optim.lr:.2g} the weights circle around a minimum; {new:.2g} lets them come closer.",
        source=SOURCE,
        safety=SAFETY,
    )
