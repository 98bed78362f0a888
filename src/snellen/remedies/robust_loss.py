"""Learn with a loss that gives up on labels which the model cannot believe."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification",)
CURES = ("label_noise", "memorised")
SOURCE = "Zhang & Sabuncu 2018, arXiv:1805.07836 (q = 0.7)."
SAFETY: Safety = "trade-off"
ORDER = 255
SCREENS = True


def robust_loss(finding: Finding, recipe: Recipe, *, q: float = 0.7) -> Remedy | None:
    """Generalised cross-entropy in the place of cross-entropy; None where the recipe has chosen another loss."""
    if recipe.loss.name != "cross_entropy":
        return None
    return Remedy(
        name="robust_loss",
        finding=finding.rule,
        patch={"loss": {"name": "generalised_cross_entropy", "settings": {"q": q}}},
        reason=f"Beyond a point a label that the model contradicts pulls no harder (q = {q:g}); nothing is left out.",
        source=SOURCE,
        safety=SAFETY,
    )
