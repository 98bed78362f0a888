"""Judge and keep the average of the last weights instead of the last ones."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("oscillating", "plateau", "gradient_unstable", "rate_never_falls")
SOURCE = "SPEC L8; Polyak & Juditsky 1992; Izmailov et al. 2018, arXiv:1803.05407."
SAFETY: Safety = "safe"
ORDER = 245
SCREENS = False
APPLIES = {"train.ema": 0.0}


def ema(finding: Finding, recipe: Recipe, *, decay: float = 0.99) -> Remedy | None:
    """Switch the moving average on; None where it is on."""
    if recipe.train.ema > 0:
        return None
    return Remedy(
        name="ema",
        finding=finding.rule,
        patch={"train.ema": decay},
        reason=f"The weights circle around a minimum; their moving average (decay {decay:g}) lies nearer to it.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
