"""Compute in 32 bits."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("nonfinite",)
SOURCE = "bfloat16 keeps 8 bits of a number: Kalamkar et al. 2019, arXiv:1905.12322."
SAFETY: Safety = "trade-off"
ORDER = 202
SCREENS = False
APPLIES = {"train.precision": "bf16"}


def full_precision(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Switch to fp32 (slower, more memory); None where the run computed in it."""
    used = finding.evidence.get("precision", recipe.train.precision)
    if recipe.train.precision == "fp32" or "bf16" not in (used, recipe.train.precision):
        return None
    return Remedy(
        name="full_precision",
        finding=finding.rule,
        patch={"train.precision": "fp32"},
        reason="bfloat16 rounds to 8 bits, which small differences and long sums do not survive.",
        source=SOURCE,
        safety=SAFETY,
    )
