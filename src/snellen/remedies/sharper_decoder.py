"""Take a decoder that sees finer maps."""

from __future__ import annotations

from typing import Any

from snellen.recipe import Recipe
from snellen.values import Finding, Remedy, Safety

TASKS = ("segmentation",)
CURES = ("ragged_borders",)
SOURCE = (
    "SPEC M1; Chen et al. 2018, arXiv:1802.02611, §4.3 (output stride 8); Ronneberger et al. 2015, arXiv:1505.04597."
)
SAFETY: Safety = "trade-off"
ORDER = 120
SCREENS = False
APPLIES = {"model.decoder": {"name": "deeplabv3plus", "settings": {}}}


def sharper_decoder(finding: Finding, recipe: Recipe) -> Remedy | None:
    """DeepLabV3+ at output stride 8 instead of 16; a U-Net instead of another decoder; None where that is what there is."""
    now = recipe.model.decoder
    if now is None or now.name in ("unet", "unetplusplus"):
        return None
    halved: dict[str, Any] = {"name": now.name, "settings": {**now.settings, "output_stride": 8}}
    fine = now.name != "deeplabv3plus" or now.settings.get("output_stride", 16) == 8
    decoder = {"name": "unet", "settings": {}} if fine else halved
    told = "a U-Net, whose last maps have every pixel" if fine else "output stride 8 instead of 16"
    return Remedy(
        name="sharper_decoder",
        finding=finding.rule,
        patch={"model.decoder": decoder},
        reason=f"{told[0].upper()}{told[1:]}: outlines are drawn from finer maps, and training takes longer.",
        source=SOURCE,
        safety=SAFETY,
    )
