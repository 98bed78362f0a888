"""Train at the size at which images are evaluated."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("ragged_borders", "lost_objects", "sizes_differ", "size_too_small")
SOURCE = "SPEC M1; resolution as the first lever for small things: Tan & Le 2019, arXiv:1905.11946, §3.3."
SAFETY: Safety = "trade-off"
ORDER = 22
SCREENS = False
APPLIES = {"data.size": 128, "data.eval_size": 192}


def larger_images(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Raise data.size to data.eval_size, which stays as it is so that arms compare the same images; None where it is there."""
    now, larger = recipe.data.size, recipe.data.eval_size or recipe.data.size
    if now >= larger:
        return None
    return Remedy(
        name="larger_images",
        finding=finding.rule,
        patch={"data.size": larger},
        reason=f"{larger} instead of {now} px: {(larger / now) ** 2:.1f} times the pixels for what is small, and as much time more.",
        source=SOURCE,
        safety=SAFETY,
    )
