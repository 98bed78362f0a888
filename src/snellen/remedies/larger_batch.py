"""Make the batch four times as large, up to what its statistics need."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("broken_norm", "batch_too_small")
SOURCE = "SPEC S4; statistics of small batches are noisy: Wu & He 2018, arXiv:1803.08494, fig. 1."
SAFETY: Safety = "trade-off"
ORDER = 212
SCREENS = False
APPLIES = {"train.batch": 4}


def larger_batch(finding: Finding, recipe: Recipe, *, enough: int = 32) -> Remedy | None:
    """Four times the batch, at most `enough`; None from there on. It costs memory."""
    now = recipe.train.batch
    if now >= enough:
        return None
    new = min(enough, now * 4)
    return Remedy(
        name="larger_batch",
        finding=finding.rule,
        patch={"train.batch": new},
        reason=f"Batches of {new} instead of {now} images give batch normalisation statistics that hold.",
        source=SOURCE,
        safety=SAFETY,
    )
