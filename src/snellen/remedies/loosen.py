"""Bring protections that hold training back to their usual strength."""

from __future__ import annotations

from typing import Any

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification",)
CURES = ("over_regularised",)
SOURCE = "SPEC S5, S6; usual values: SPEC L1, L2, D8; gamma 2: Lin et al. 2017, arXiv:1708.02002."
SAFETY: Safety = "safe"
ORDER = 20
SCREENS = True
RESTORES = True

USUAL: dict[str, Any] = {
    "model.dropout": 0.2,
    "loss.settings.smoothing": 0.1,
    "loss.settings.gamma": 2.0,
    "augment.mixup": 0.0,
    "augment.cutmix": 0.0,
    "augment.parts": [{"name": name} for name in ("flip", "crop", "brightness_contrast")],
}
# Decoupled decay is multiplied by the rate, which is why its number is so much larger.
DECAY = {"adamw": 0.01}


def loosen(finding: Finding, recipe: Recipe, *, decay: float = 5e-4) -> Remedy | None:
    """What the finding names, back to what is usual; None where it names nothing, or that is what there is."""
    named = [key for key in finding.evidence.get("settings", {}) if key in USUAL or key == "optim.weight_decay"]
    patch = {key: USUAL[key] if key in USUAL else DECAY.get(recipe.optim.name, decay) for key in named}
    if not patch or recipe.change(patch).id == recipe.id:
        return None
    return Remedy(
        name="loosen",
        finding=finding.rule,
        patch=patch,
        reason=f"The training images are not learned under {', '.join(patch)} as they are; usual values take their place.",
        source=SOURCE,
        safety=SAFETY,
        # Smoothed and mixed answers are right and unsure: what they cost shows in the loss.
        metric="calibrated_log_loss",
    )
