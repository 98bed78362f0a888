"""The learning rates that are recommended for an optimiser, in which remedies stay."""

from __future__ import annotations

from typing import NamedTuple

from snellen.recipe import Recipe


class Rates(NamedTuple):
    """Lowest, usual and highest recommended peak rate."""

    low: float
    usual: float
    high: float


# SPEC L4, at a batch of 16 to 32. Adaptive optimisers share a range, because their steps are of the size of the rate.
ADAPTIVE = Rates(1e-4, 2e-4, 5e-4)
PLAIN = Rates(1e-3, 5e-3, 1e-2)
RECOMMENDED = {"sgd": PLAIN, "lars": PLAIN}


def rates(recipe: Recipe) -> Rates:
    """The range for the recipe's optimiser; so many times higher where the trunk, which was trained before and which the range
    is about, gets a share of the rate only."""
    known, own = RECOMMENDED.get(recipe.optim.name, ADAPTIVE), recipe.optim.rates
    share = max(own.get("stage1", 1.0), own.get("stage2", 1.0), own.get("stage3", 1.0), own.get("stage4", 1.0))
    return Rates(*(rate / share for rate in known))


def as_lowered(recipe: Recipe) -> float:
    """Back to the recommended rate where the recipe's lies above the range; else a tenth."""
    lr, known = recipe.optim.lr, rates(recipe)
    return known.usual if lr > known.high else lr / 10
