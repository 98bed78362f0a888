"""Take the training images out that are also in validation or test."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.remedies._dropping import dropping
from snellen.values import Finding, Remedy, Safety

CURES = ("leakage",)
SOURCE = "A training copy of a test image makes the score too good: Barz & Denzler 2020, arXiv:1902.00423."
SAFETY: Safety = "safe"
ORDER = 0
SCREENS = True


def drop_leaked(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Add the finding's samples to `data.drop`; None where all of them are dropped already."""
    patch, new = dropping(finding, recipe)
    if not new:
        return None
    return Remedy(
        name="drop_leaked",
        finding=finding.rule,
        patch=patch,
        reason=f"{new} training images have a copy in validation or test; without them the score is honest.",
        source=SOURCE,
        safety=SAFETY,
    )
