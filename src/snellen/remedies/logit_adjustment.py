"""Learn as if every class were equally frequent, without showing any image more often."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification",)
CURES = ("class_imbalance", "tiny_classes", "weak_class")
SOURCE = "SPEC T6; Menon et al. 2021, arXiv:2007.07314 (tau 1)."
SAFETY: Safety = "trade-off"
ORDER = 232
SCREENS = True


def logit_adjustment(finding: Finding, recipe: Recipe, *, tau: float = 1.0) -> Remedy | None:
    """Logit-adjusted cross-entropy; None where the recipe has chosen another loss, or balances its sampling."""
    if recipe.loss.name != "cross_entropy" or recipe.train.sampling == "balanced":
        return None
    smoothing = recipe.loss.settings.get("smoothing", 0.1)
    return Remedy(
        name="logit_adjustment",
        finding=finding.rule,
        patch={"loss": {"name": "logit_adjusted", "settings": {"tau": tau, "smoothing": smoothing}}},
        reason="The loss takes the frequency of the classes away, so that rare ones need not be shown more often.",
        source=SOURCE,
        safety=SAFETY,
        metric="recall_macro",
    )
