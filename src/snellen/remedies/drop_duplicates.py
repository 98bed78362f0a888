"""Keep one image of each group of duplicates in training."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.remedies._dropping import dropping
from snellen.values import Finding, Remedy, Safety

CURES = ("exact_duplicates", "near_duplicates")
SOURCE = "Copies add no information and weigh their image double: Lee et al. 2022, arXiv:2107.06499 (for text)."
SAFETY: Safety = "safe"
ORDER = 2
SCREENS = True


def drop_duplicates(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Add the finding's samples to `data.drop`; None where all of them are dropped already."""
    patch, new = dropping(finding, recipe)
    if not new:
        return None
    return Remedy(
        name="drop_duplicates",
        finding=finding.rule,
        patch=patch,
        reason=f"{new} training images repeat others; one of each group stays.",
        source=SOURCE,
        safety=SAFETY,
    )
