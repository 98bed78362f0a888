"""Begin from pretrained weights instead of noise."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.shelf import MODELS
from snellen.values import Finding, Remedy, Safety

CURES = ("from_noise",)
SOURCE = "SPEC M1, M2; Kornblith et al. 2019, arXiv:1805.08974."
SAFETY: Safety = "safe"
ORDER = 100
SCREENS = False
RESTORES = True
APPLIES = {"model.weights": "none"}


def pretrained(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Take weights that are here already; None where there are none, because nothing is fetched for a trial."""
    if recipe.model.weights != "none" or _kept(recipe) not in ("package", "stored"):
        return None
    return Remedy(
        name="pretrained",
        finding=finding.rule,
        patch={"model.weights": "auto"},
        reason=f"{recipe.model.name} began from noise; its pretrained weights are here.",
        source=SOURCE,
        safety=SAFETY,
    )


def _kept(recipe: Recipe) -> str:
    """Where the model's weights would come from; of a model that is a file of its own, nowhere."""
    name = recipe.model_part().name
    return str(MODELS.module(name).weights_from(recipe.model.name)) if name == "timm_model" else ""
