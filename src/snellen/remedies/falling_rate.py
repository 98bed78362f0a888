"""Let the rate fall to zero by the end of a stage."""

from __future__ import annotations

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

CURES = ("rate_never_falls", "plateau")
SOURCE = "SPEC L5; Loshchilov & Hutter 2017, arXiv:1608.03983; Li, Yumer & Ramanan 2020, arXiv:1905.04753."
SAFETY: Safety = "safe"
ORDER = 204
SCREENS = False
RESTORES = True
APPLIES = {"stages": [{"name": "all", "unfreeze": "all", "epochs": 8, "schedule": {"name": "constant"}}]}


def falling_rate(finding: Finding, recipe: Recipe) -> Remedy | None:
    """Half a cosine in every stage whose rate is constant; None where that of the last stage falls: a short stage before it, of a
    new head alone, may well have a constant one."""
    flat = {place: stage.name for place, stage in enumerate(recipe.stages) if stage.schedule.name == "constant"}
    if len(recipe.stages) - 1 not in flat:
        return None
    return Remedy(
        name="falling_rate",
        finding=finding.rule,
        patch={f"stages.{place}.schedule": {"name": "cosine"} for place in flat},
        reason=f"The rate of {', '.join(map(repr, flat.values()))} falls to 0 instead of standing still: the weights can settle.",
        source=SOURCE,
        safety=SAFETY,
        metric="calibrated_log_loss",
    )
