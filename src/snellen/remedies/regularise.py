"""Switch the usual regularisation back on, all of it at once, where most of it is off."""

from __future__ import annotations

from typing import Any

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("classification", "segmentation")
CURES = ("overfitting",)
SOURCE = "SPEC S1, L8, D8; Steiner et al. 2022, arXiv:2106.10270 (augmentation and regularisation together)."
SAFETY: Safety = "safe"
ORDER = 25
SCREENS = False
RESTORES = True
APPLIES = {"augment.parts": [], "model.dropout": 0.0, "loss.settings": {"smoothing": 0.0}}

AUGMENT = ({"name": "flip"}, {"name": "crop", "settings": {"low": 0.4}}, {"name": "brightness_contrast"})


def regularise(finding: Finding, recipe: Recipe, *, least: int = 2) -> Remedy | None:
    """Restore what is off of augmentation, dropout, label smoothing and weight averaging; None where fewer than `least`
    of them are off: a single one is a remedy of its own."""
    off: dict[str, Any] = {}
    if not recipe.augment.parts:
        off["augment.parts"] = list(AUGMENT)
    if recipe.model.dropout == 0:
        off["model.dropout"] = 0.3
    if recipe.loss.name == "cross_entropy" and recipe.loss.settings.get("smoothing") == 0:
        off["loss.settings"] = {"smoothing": 0.1}
    if recipe.train.ema == 0:
        off["train.ema"] = 0.99
    if len(off) < least:
        return None
    return Remedy(
        name="regularise",
        finding=finding.rule,
        patch=off,
        reason=f"{len(off)} of the usual protections are off ({', '.join(off)}); one trial restores them together.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
