"""Halve the batch."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("overfitting",)
SOURCE = "SPEC S1; noise of small batches regularises: Keskar et al. 2017, arXiv:1609.04836."
SAFETY: Safety = "trade-off"
ORDER = 210
SCREENS = True


def smaller_batch(finding: Finding, recipe: Recipe, *, least: int = 8) -> Remedy | None:
    """Halve the batch at the same rate (a rate scaled with it would take the noise back); None below `least` images."""
    new = recipe.train.batch // 2
    if new < least:
        return None
    return Remedy(
        name="smaller_batch",
        finding=finding.rule,
        patch={"train.batch": new},
        reason=f"Batches of {new} instead of {recipe.train.batch} images give noisier steps and flatter minima.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
