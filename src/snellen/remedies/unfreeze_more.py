"""Train more of the network."""

from __future__ import annotations

from typing import Any

from snellen.recipe import Recipe
from snellen.recipe_sections import Stage
from snellen.values import Finding, Remedy, Safety

CURES = ("frozen_too_much", "underfitting", "below_baseline")
SOURCE = "SPEC M3, S5; Yosinski et al. 2014, arXiv:1411.1792 (features of upper layers are specific to their data)."
SAFETY: Safety = "trade-off"
# Behind a higher rate, which costs no time.
ORDER = 207
SCREENS = False
APPLIES = {"stages": [{"name": "head", "unfreeze": "head", "epochs": 5}]}


def unfreeze_more(finding: Finding, recipe: Recipe, *, scale: float = 0.3, least: int = 6) -> Remedy | None:
    """After the head alone, a stage of the last two of the network's stages, as long as the head's (`least` epochs or more) and at
    `scale` times its rate. Where the last stage trains those, all of the network in it. Else None. It costs time."""
    last = recipe.stages[-1]
    if all(stage.unfreeze == "head" for stage in recipe.stages):
        added = _behind(last, {stage.name for stage in recipe.stages}, scale, least)
        patch: dict[str, Any] = {"stages": [*(stage.model_dump(mode="json") for stage in recipe.stages), added]}
        why = f"The head alone has not learned the images: {added['epochs']} epochs of the last stages follow it."
    elif last.unfreeze == "last":
        patch = {f"stages.{len(recipe.stages) - 1}.unfreeze": "all"}
        why = f"Stage {last.name!r} trains all layers: what was pretrained for other images may follow these."
    else:
        return None
    return Remedy(
        name="unfreeze_more", finding=finding.rule, patch=patch, reason=why, source=SOURCE, safety=SAFETY,
    )  # fmt: skip


def _behind(head: Stage, taken: set[str], scale: float, least: int) -> dict[str, Any]:
    name = next(
        name for name in ("last", *(f"last {number}" for number in range(2, len(taken) + 3))) if name not in taken
    )
    # The head is learned first: gradients through a head of random weights would distort the features (Kumar et al. 2022).
    return {
        "name": name, "unfreeze": "last", "epochs": max(least, head.epochs), "lr_scale": head.lr_scale * scale, "warmup": 0.5,
    }  # fmt: skip
