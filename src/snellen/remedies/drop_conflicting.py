"""Take the images out whose identical copies bear different labels."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.remedies._dropping import dropping
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification",)
CURES = ("conflicting_labels",)
SOURCE = "Of two labels of one image at most one is right: Northcutt et al. 2021, arXiv:2103.14749."
SAFETY: Safety = "safe"
ORDER = 1
SCREENS = True


def drop_conflicting(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Add the finding's samples to `data.drop`; None where all of them are dropped already."""
    patch, new = dropping(finding, recipe)
    if not new:
        return None
    return Remedy(
        name="drop_conflicting",
        finding=finding.rule,
        patch=patch,
        reason=f"{new} images have identical copies with another label; they teach a contradiction.",
        source=SOURCE,
        safety=SAFETY,
    )
