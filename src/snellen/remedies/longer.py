"""Train the last stage half as long again."""

from __future__ import annotations

import math

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("underfitting", "below_baseline")
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
    why = "The loss was still falling" if finding.rule == "underfitting" else "It has not come so far yet"
    return Remedy(
        name="longer",
        finding=finding.rule,
        patch={f"stages.{last}.epochs": new},
        reason=f"{why}: {new} epochs instead of {now} in stage {recipe.stages[last].name!r}.",
        source=SOURCE,
        safety=SAFETY,
    )
