"""Keep the statistics of batch normalisation as they were pretrained."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.remedies._rates import rates
from snellen.values import Finding, Remedy, Safety

CURES = ("broken_norm", "batch_too_small", "gradient_unstable", "rate_too_high")
SOURCE = "SPEC S4; statistics of small batches are noisy: Wu & He 2018, arXiv:1803.08494, fig. 1."
SAFETY: Safety = "safe"
ORDER = 110
SCREENS = False
APPLIES = {"train.batch": 8}


def freeze_norm(finding: Finding, recipe: Recipe, *, small: int = 16) -> Remedy | None:
    """Freeze batch normalisation; None without pretrained weights, where it is frozen, for batches above `small` whose
    statistics have not been seen to be broken, and for a rate above the recommended range, which has harmed by itself."""
    if recipe.train.freeze_norm or recipe.model.weights == "none":
        return None
    if finding.rule == "rate_too_high":
        if finding.evidence.get("sign") != "harm" or recipe.optim.lr > rates(recipe).high:
            return None
        reason = "A stage left the network worse at a recommended rate: its batches' statistics may have replaced the pretrained ones too soon."
    else:
        if recipe.train.batch > small and finding.rule != "broken_norm":
            return None
        reason = f"The statistics of batches of {recipe.train.batch} images do not serve; the pretrained ones stay."
    return Remedy(
        name="freeze_norm",
        finding=finding.rule,
        patch={"train.freeze_norm": True},
        reason=reason,
        source=SOURCE,
        safety=SAFETY,
    )
