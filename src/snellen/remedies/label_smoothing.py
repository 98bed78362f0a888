"""Ask for 90 % certainty instead of 100 %."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.shelf import LOSSES
from snellen.values import Finding, Remedy, Safety

CURES = ("overfitting", "overconfident")
SOURCE = "SPEC L1, L8 (0.1); Szegedy et al. 2016, arXiv:1512.00567; Müller et al. 2019, arXiv:1906.02629."
SAFETY: Safety = "safe"
ORDER = 250
SCREENS = True
APPLIES = {"loss.settings.smoothing": 0.0}


def label_smoothing(finding: Finding, recipe: Recipe, *, smoothing: float = 0.1) -> Remedy | None:
    """Smooth the labels; None where they are, or where the loss has no such setting."""
    now = LOSSES.resolve(recipe.loss.name, recipe.loss.settings).get("smoothing")
    if now is None or now >= smoothing:
        return None
    return Remedy(
        name="label_smoothing",
        finding=finding.rule,
        patch={"loss.settings.smoothing": smoothing},
        reason=f"Smoothing {now:g} becomes {smoothing:g}: outputs need not grow for ever to please the labels.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
