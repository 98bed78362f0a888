"""Switch off part of the features in front of the head while training."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification", "segmentation")
CURES = ("overfitting", "overlap_gap")
SOURCE = "SPEC S1, L8 (0.3 to 0.5); Srivastava et al. 2014, JMLR 15."
SAFETY: Safety = "safe"
ORDER = 100
SCREENS = True


def dropout(
    finding: Finding, recipe: Recipe, *, low: float = 0.3, usual: float = 0.4, high: float = 0.5
) -> Remedy | None:
    """Raise dropout to `usual`, to `high` where it is `low` or more already; None at `high`."""
    now = recipe.model.dropout
    if now >= high:
        return None
    new = usual if now < low else high
    return Remedy(
        name="dropout",
        finding=finding.rule,
        patch={"model.dropout": new},
        reason=f"Dropout {now:g} becomes {new:g}: the head can lean less on single features.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
