"""Draw every class equally often."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("weak_class", "class_imbalance", "tiny_classes")
SOURCE = "SPEC T6; Buda, Maki & Mazurowski 2018, arXiv:1710.05381 (oversampling)."
SAFETY: Safety = "trade-off"
ORDER = 10
SCREENS = True


def balanced_sampling(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Balance the sampling; None where it is balanced already. It claims to help the mean recall, not the accuracy."""
    if recipe.train.sampling == "balanced":
        return None
    return Remedy(
        name="balanced_sampling",
        finding=finding.rule,
        patch={"train.sampling": "balanced"},
        reason="Rare classes are seen as often as frequent ones; frequent ones may lose a little.",
        source=SOURCE,
        safety=SAFETY,
        metric="recall_macro",
    )
