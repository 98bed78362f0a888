"""Effort: what one training of a recipe costs, as far as its epochs say, so that remedies that train longer are planned as such."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.train.loop import WEIGHT


def effort(recipe: Recipe) -> float:
    """Epochs, those of the cached stages weighted by what they cost beside an epoch over all layers. Only ratios mean anything."""
    return sum(stage.epochs * WEIGHT[stage.unfreeze] for stage in recipe.stages)
