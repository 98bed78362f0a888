"""Limit the norm of the gradient."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("gradient_unstable", "gradient_exploding", "diverging", "nonfinite")
SOURCE = "SPEC M3, S4 (norm 1.0); Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063."
SAFETY: Safety = "safe"
ORDER = 204
SCREENS = False
APPLIES = {"optim.clip": None}


def clip(finding: Finding, recipe: Recipe, *, norm: float = 1.0) -> Remedy | None:
    """Clip at `norm`; None where the recipe clips there or lower."""
    if recipe.optim.clip is not None and recipe.optim.clip <= norm:
        return None
    now = "not at all" if recipe.optim.clip is None else f"at {recipe.optim.clip:g}"
    return Remedy(
        name="clip",
        finding=finding.rule,
        patch={"optim.clip": norm},
        reason=f"The gradient was clipped {now}; at {norm:g} one odd batch cannot throw the weights far.",
        source=SOURCE,
        safety=SAFETY,
    )
