"""Train the last stage half as long again."""

from __future__ import annotations

import math

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("underfitting",)
SOURCE = "A loss that still falls has not been minimised: Goodfellow, Bengio & Courville 2016, §11.4."
SAFETY: Safety = "trade-off"
ORDER = 290
SCREENS = False


def longer(finding: Finding, recipe: Recipe, *, factor: float = 1.5) -> Remedy | None:
    """Multiply the last stage's epochs; costs time in proportion. None past 1,000 epochs."""
    last = len(recipe.stages) - 1
    now = recipe.stages[last].epochs
    new = max(now + 1, math.ceil(now * factor))
    if new > 1000:
        return None
    return Remedy(
        name="longer",
        finding=finding.rule,
        patch={f"stages.{last}.epochs": new},
        reason=f"The loss was still falling: {new} epochs instead of {now} in stage {recipe.stages[last].name!r}.",
        source=SOURCE,
        safety=SAFETY,
    )
