"""Pull the weights towards zero more strongly."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("overfitting", "overlap_gap")
SOURCE = "SPEC L8, L4 (SGD up to 5e-4); Loshchilov & Hutter 2019, arXiv:1711.05101 (AdamW 0.05)."
SAFETY: Safety = "safe"
ORDER = 240
SCREENS = True


def weight_decay(finding: Finding, recipe: Recipe, *, decoupled: float = 0.05, plain: float = 5e-4) -> Remedy | None:
    """Raise weight decay to `decoupled` (AdamW) or `plain` (others); None where it is as strong.

    The decoupled form is multiplied by the rate, which is why its number is so much larger.
    """
    new = decoupled if recipe.optim.name == "adamw" else plain
    if recipe.optim.weight_decay >= new:
        return None
    return Remedy(
        name="weight_decay",
        finding=finding.rule,
        patch={"optim.weight_decay": new},
        reason=f"Weight decay {recipe.optim.weight_decay:g} becomes {new:g}: large weights must earn their size.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
