"""Triple the learning rate, within the recommended range."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.remedies._rates import rates
from snellen.values import Finding, Remedy, Safety

CURES = ("underfitting", "steps_too_small")
SOURCE = "SPEC L4; Smith 2017, arXiv:1506.01186."
SAFETY: Safety = "trade-off"
ORDER = 205
SCREENS = False


def raise_lr(finding: Finding, recipe: Recipe, *, factor: float = 3.0) -> Remedy | None:
    """Raise the rate by `factor`, at least to the range's lower end and at most to its upper; None at the upper end."""
    known, lr = rates(recipe), recipe.optim.lr
    new = min(known.high, max(known.low, lr * factor))
    if not new > lr:
        return None
    return Remedy(
        name="raise_lr",
        finding=finding.rule,
        patch={"optim.lr": new},
        reason=f"Training had far to go at a learning rate of {lr:.2g}; {new:.2g} costs nothing to try.",
        source=SOURCE,
        safety=SAFETY,
    )
