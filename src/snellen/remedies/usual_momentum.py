"""Bring momentum back to the optimiser's usual value."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.shelf import OPTIMIZERS
from snellen.values import Finding, Remedy, Safety

CURES = ("momentum_too_high",)
SOURCE = "SPEC L2 (0.9); Sutskever et al. 2013, On the importance of initialization and momentum in deep learning."
SAFETY: Safety = "safe"
ORDER = 200
SCREENS = False
RESTORES = True
APPLIES = {"optim": {"name": "sgd", "lr": 5e-3, "settings": {"momentum": 0.999}}}


def usual_momentum(finding: Finding, recipe: Recipe, *, most: float = 0.99) -> Remedy | None:
    """The optimiser's own default of `momentum` or `beta1`; None where neither is above `most`."""
    name, usual = recipe.optim.name, OPTIMIZERS.settings(recipe.optim.name)
    now = OPTIMIZERS.resolve(name, recipe.optim.settings)
    far = [key for key in ("momentum", "beta1") if key in usual and float(now[key]) > most]
    if not far:
        return None
    said = ", ".join(f"{key} {now[key]:g} becomes {usual[key]:g}" for key in far)
    return Remedy(
        name="usual_momentum",
        finding=finding.rule,
        patch={f"optim.settings.{key}": usual[key] for key in far},
        reason=f"{said}: steps follow the gradients of now, and the recommended rates are meant for it.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
