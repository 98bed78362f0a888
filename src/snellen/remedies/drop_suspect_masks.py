"""Take the training images out whose masks the audit found to be wrong."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.remedies._dropping import dropping
from snellen.values import Finding, Remedy, Safety

TASKS = ("segmentation",)
CURES = (
    "swapped_masks", "misregistered_masks", "empty_masks", "mask_wrong_class", "mask_objects_missing", "eroded_masks",
    "dilated_masks", "ragged_masks", "coarse_masks",
)  # fmt: skip
SOURCE = "SPEC S6, D5; Heller, Dean & Papanikolopoulos 2018, arXiv:1806.04618 (what kinds of label noise cost in segmentation)."
SAFETY: Safety = "trade-off"
ORDER = 4
SCREENS = False
TOGETHER = True


def drop_suspect_masks(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Add the samples of the finding, or of several such findings, to `data.drop`; None where all of them are dropped already."""
    patch, new = dropping(finding, recipe)
    if not new:
        return None
    return Remedy(
        name="drop_suspect_masks",
        finding=finding.rule,
        patch=patch,
        reason=f"{new} masks do not fit their images; what they teach is wrong.",
        source=SOURCE,
        safety=SAFETY,
    )
