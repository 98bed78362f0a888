"""Leave the pretrained beginning of the network as it is."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("overfitting", "overlap_gap", "past_best")
SOURCE = "SPEC M3; Kumar et al. 2022, arXiv:2202.10054 (fine-tuning can distort pretrained features)."
SAFETY: Safety = "trade-off"
ORDER = 285
SCREENS = False

NEXT = {"all": "last", "last": "head"}


def unfreeze_less(finding: Finding, recipe: Recipe) -> Remedy | None:
    """all → last, last → head, in the last stage; None without pretrained weights, or where only the head is trained."""
    place = len(recipe.stages) - 1
    stage = recipe.stages[place]
    if recipe.model.weights == "none" or stage.unfreeze == "head":
        return None
    new = NEXT[stage.unfreeze]
    return Remedy(
        name="unfreeze_less",
        finding=finding.rule,
        patch={f"stages.{place}.unfreeze": new},
        reason=f"Stage {stage.name!r} trains {new!r} instead of {stage.unfreeze!r}: fewer weights can learn the images by heart.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
