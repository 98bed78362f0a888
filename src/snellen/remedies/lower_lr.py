"""Lower the learning rate to the recommended range, or to a tenth."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.remedies._rates import as_lowered
from snellen.values import Finding, Remedy, Safety

CURES = (
    "rate_too_high",
    "diverging",
    "gradient_exploding",
    "oscillating",
    "collapsed",
    "gradient_vanishing",
    "gradient_unstable",
    "nonfinite",
    "steps_too_large",
    "dead_units",
)
SOURCE = "SPEC L4, S4; Smith 2017, arXiv:1506.01186."
SAFETY: Safety = "safe"
ORDER = 200
SCREENS = False


def lower_lr(finding: Finding, recipe: Recipe, *, least: float = 1e-6) -> Remedy | None:
    """Back to the recommended rate where the recipe's lies above the range, else a tenth; None below `least`."""
    new = as_lowered(recipe)
    if new < least:
        return None
    return Remedy(
        name="lower_lr",
        finding=finding.rule,
        patch={"optim.lr": new},
        reason=f"The learning rate of {recipe.optim.lr:.2g} overshoots; {new:.2g} is tried.",
        source=SOURCE,
        safety=SAFETY,
        # What these findings see is the loss; the accuracy of weights that were kept from a better stage hides the harm.
        metric="calibrated_log_loss",
    )
