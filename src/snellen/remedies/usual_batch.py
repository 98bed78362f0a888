"""Bring the batch back to the usual size, so that an epoch has more steps."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("too_few_steps",)
SOURCE = "SPEC M3 (32 to 64); Masters & Luschi 2018, arXiv:1804.07612; Hoffer, Hubara & Soudry 2017, arXiv:1705.08741."
SAFETY: Safety = "safe"
ORDER = 201
SCREENS = True
RESTORES = True
APPLIES = {"train.batch": 512}


def usual_batch(finding: Finding, recipe: Recipe, *, usual: int = 32) -> Remedy | None:
    """Batches of `usual` images, as advice has them, at the same rate; None where they are as small. No epoch is added."""
    now = recipe.train.batch
    if now <= usual:
        return None
    return Remedy(
        name="usual_batch",
        finding=finding.rule,
        patch={"train.batch": usual},
        reason=f"Batches of {usual} instead of {now} images: {now / usual:.3g} times as many steps in epochs that cost the same.",
        source=SOURCE,
        safety=SAFETY,
    )
