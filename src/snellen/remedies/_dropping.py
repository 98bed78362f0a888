"""Leaving samples out of training: the patch that remedies of the data share."""

from __future__ import annotations

from typing import Any

from snellen.recipe import Recipe
from snellen.values import Finding


def dropping(finding: Finding, recipe: Recipe) -> tuple[dict[str, Any], int]:
    """The patch that adds the finding's samples to `data.drop`, and how many of them are new."""
    new = [sample for sample in dict.fromkeys(finding.samples) if sample not in recipe.data.drop]
    return {"data.drop": [*recipe.data.drop, *new]}, len(new)
