"""End the last stage where validation was best."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("past_best",)
SOURCE = "SPEC S5; Prechelt 1998, Early stopping, but when? The schedule then ends where the best weights are."
SAFETY: Safety = "safe"
ORDER = 292
SCREENS = False


def shorter(finding: Finding, recipe: Recipe, *, margin: int = 1) -> Remedy | None:
    """Cut the last stage to its best epoch and `margin` more; None where that is no fifth shorter."""
    last = len(recipe.stages) - 1
    now, best = recipe.stages[last].epochs, finding.evidence.get("place")
    if best is None or best + margin > 0.8 * now:
        return None
    return Remedy(
        name="shorter",
        finding=finding.rule,
        patch={f"stages.{last}.epochs": best + margin},
        reason=f"Validation was best after {best} of {now} epochs of stage {recipe.stages[last].name!r}: the rate falls to its end there.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
