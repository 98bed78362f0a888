"""Take the images out whose label cross-validated models contradict."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.remedies._dropping import dropping
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification",)
CURES = ("label_noise", "memorised")
SOURCE = "Confident learning: Northcutt, Jiang & Chuang 2021, arXiv:1911.00068."
SAFETY: Safety = "trade-off"
ORDER = 3
SCREENS = True


def drop_suspect_labels(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Add the finding's samples to `data.drop`; None where all of them are dropped already."""
    patch, new = dropping(finding, recipe)
    if not new:
        return None
    return Remedy(
        name="drop_suspect_labels",
        finding=finding.rule,
        patch=patch,
        reason=f"{new} labels are contradicted by models that have not seen them.",
        source=SOURCE,
        safety=SAFETY,
    )
