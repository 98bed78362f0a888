"""Let the rate of the last stage fall twice, with a warm restart between."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("plateau",)
SOURCE = "SPEC M3, L5; Loshchilov & Hutter 2017, arXiv:1608.03983."
SAFETY: Safety = "safe"
ORDER = 208
SCREENS = False


def warm_restart(finding: Finding, recipe: Recipe, *, cycles: int = 2) -> Remedy | None:
    """Give the last stage cosine cycles; None where it has them."""
    last = len(recipe.stages) - 1
    if recipe.stages[last].schedule.name == "cosine_restarts":
        return None
    return Remedy(
        name="warm_restart",
        finding=finding.rule,
        patch={f"stages.{last}.schedule": {"name": "cosine_restarts", "settings": {"cycles": cycles}}},
        reason=f"The rate of stage {recipe.stages[last].name!r} falls to zero {cycles} times, with a way out between.",
        source=SOURCE,
        safety=SAFETY,
    )
