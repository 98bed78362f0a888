"""Reach the rate of a stage more slowly."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("diverging", "rate_too_high", "gradient_exploding", "gradient_unstable", "steps_too_large", "nonfinite")
SOURCE = "SPEC M3; Goyal et al. 2017, arXiv:1706.02677, section 2.2; Gotmare et al. 2019, arXiv:1810.13243."
SAFETY: Safety = "safe"
ORDER = 203
SCREENS = False


def longer_warmup(finding: Finding, recipe: Recipe, *, least: float = 1.0, share: float = 0.5) -> Remedy | None:
    """Double the warm-up of the stage that the finding names (else the last), to `least` epochs at least and `share` of the
    stage at most; None where it is as long already."""
    named = [place for place, stage in enumerate(recipe.stages) if stage.name == finding.evidence.get("stage")]
    place = named[0] if named else len(recipe.stages) - 1
    stage = recipe.stages[place]
    new = min(max(least, 2 * stage.warmup), share * stage.epochs)
    if not new > stage.warmup:
        return None
    return Remedy(
        name="longer_warmup",
        finding=finding.rule,
        patch={f"stages.{place}.warmup": new},
        reason=f"The rate of stage {stage.name!r} rises over {new:g} epochs instead of {stage.warmup:g}: the first steps are short.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
