"""Super-resolution, ×2 and ×4 or any whole number (SPEC T1, T4): images are reduced, and enlarged again by what is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from snellen.advise import Advice, Choice
from snellen.budget import Cost
from snellen.catalog import Catalog
from snellen.recipe import Recipe
from snellen.tasks._contract import Example
from snellen.tasks._restoration import Restoration
from snellen.tasks._restoration_advice import advice

DATA = "images"
RECIPE = {
    "metric": "psnr_gain",
    "loss": {"name": "charbonnier", "settings": {}},
    "model.name": "edsr",
    "model.weights": "none",
    "model.dropout": 0.0,
    "data.size": 32,
    "degrade.scale": 2,
    "train.gap_samples": 8,
    "train.ema": 0.99,
    # Runs from different noise lie in different basins: their mean is no model (Wortsman et al. 2022, section 2).
    "improve.soup": False,
    # In dB.
    "improve.margin": 0.05,
}
OWN = ("psnr", "psnr_y", "ssim", "psnr_gain", "psnr_y_gain", "ssim_gain")
PAIRED = (
    "psnr",
    "psnr_y",
    "ssim",
    "feature_distance",
    "psnr_gain",
    "psnr_y_gain",
    "ssim_gain",
    "feature_distance_gain",
)
SMOOTH = "psnr_gain"
READER = "patches"
PICTURES = "before_after"
ANSWER = "restored"
SECTION = "restored"
ABLATES = ("cosine", "averaged-weights", "clipping")
SCREENS = False
TRUNK = False


class super_resolution(Restoration):
    """The simple method is bicubic enlargement. Scores on the brightness leave out 4 pixels on each side: published ones leave
    out as many as the scale."""

    name = "super_resolution"
    border = 4

    def advise(
        self, catalog: Catalog, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any],
        sizes: tuple[int, int], leaked: tuple[str, ...] = (),
    ) -> Advice:  # fmt: skip
        """The recommended recipe, each choice with its reason."""
        scale = base.degrade.scale
        model = Choice(
            "model.name", base.model.name, f"{base.model.name}: works at the low resolution, {scale} times enlarged at its end; begins as bicubic enlargement",
            "Lim et al. 2017; Shi et al. 2016", f"在低分辨率上计算，最后放大 {scale} 倍；以双三次插值为起点",
        )  # fmt: skip
        return advice(catalog, cost, budget, base=base, given=given, sizes=sizes, leaked=leaked, others=(model,))

    def preparation(self, size: int) -> str:
        """What must happen to a photo before it enters the exported model, in words."""
        return (
            "Apply the EXIF orientation, put transparency on white, convert to RGB. Divide by 255: float32 in 0..1, channels "
            "first [n,3,h,w], any height and width; nothing is resized. The answer is the enlarged image in 0..1. Large images "
            "can be given in tiles that overlap."
        )

    def example(self) -> Example:
        """A perfect answer to eight images, for the law of tasks."""
        wanted = torch.rand(8, 3, 24, 24, generator=torch.Generator().manual_seed(0)).mul(255).round().div(255)
        target = torch.stack([wanted, wanted * 0.9], dim=1)
        recipe = Recipe.make({"task": self.name}).change(RECIPE)
        return Example(recipe, wanted, target, torch.zeros(8, dtype=torch.int64).numpy(), ())
