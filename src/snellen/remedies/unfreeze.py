"""Train the last stages too, after the head."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("frozen_too_much",)
SOURCE = "SPEC M3, S5; Yosinski et al. 2014, arXiv:1411.1792."
SAFETY: Safety = "trade-off"
ORDER = 40
SCREENS = False
APPLIES = {"stages": [{"name": "head", "unfreeze": "head", "epochs": 5}]}


def unfreeze(finding: Finding, recipe: Recipe, *, scale: float = 0.3, least: int = 6) -> Remedy | None:
    """Add a stage of the last two of the network's stages, as long as the head's (`least` epochs or more) and at `scale` times its
    rate; None where more than the head is trained. It costs time."""
    if any(stage.unfreeze != "head" for stage in recipe.stages):
        return None
    head = recipe.stages[-1]
    added = {
        "name": "last", "unfreeze": "last", "epochs": max(least, head.epochs), "lr_scale": head.lr_scale * scale, "warmup": 0.5,
    }  # fmt: skip
    stages = [*(stage.model_dump(mode="json") for stage in recipe.stages), added]
    return Remedy(
        name="unfreeze",
        finding=finding.rule,
        patch={"stages": stages},
        reason=f"The head alone cannot tell the classes apart: {added['epochs']} epochs of the last stages follow it.",
        source=SOURCE,
        safety=SAFETY,
    )
