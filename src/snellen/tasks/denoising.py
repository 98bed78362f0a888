"""Denoising (SPEC T1, T4): noise is added to images, and taken away again by what is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from snellen.advise import Advice, Choice
from snellen.budget import Cost
from snellen.catalog import Catalog
from snellen.recipe import Recipe
from snellen.shelf import MODELS
from snellen.tasks._classical import Ranking, baseline, ranking
from snellen.tasks._contract import Example
from snellen.tasks._restoration import Restoration
from snellen.tasks._restoration_advice import advice

DATA = "images"
RECIPE = {
    "metric": "psnr_gain",
    "loss": {"name": "charbonnier", "settings": {}},
    "model.name": "residual_unet",
    "model.weights": "none",
    "model.dropout": 0.0,
    "data.size": 64,
    "degrade.parts": [{"name": "gaussian", "settings": {"low": 25.0, "high": 25.0}}],
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
# What is advised wherever the filter is worth anything costs as much as the network does.
PROBED = {"start": 70.0}
SMOOTH = "psnr_gain"
READER = "patches"
PICTURES = "before_after"
ANSWER = "restored"
SECTION = "restored"
ABLATES = ("cosine", "averaged-weights", "clipping")
SCREENS = False
TRUNK = False


class denoising(Restoration):
    """The simple method is the classical filter that was best on training images, at its best strength."""

    name = "denoising"

    def advise(
        self, catalog: Catalog, cost: Cost, budget: float | None, *, base: Recipe, given: Mapping[str, Any],
        sizes: tuple[int, int], leaked: tuple[str, ...] = (),
    ) -> Advice:  # fmt: skip
        """The recommended recipe, each choice with its reason."""
        model = Choice(
            "model.name", base.model.name, f"{base.model.name}: works at half the resolution and sees far; begins as the image that is given",
            "Zhang et al. 2021, DRUNet; Zhang et al. 2018, FFDNet", "在一半分辨率上计算，视野大；以输入图像为起点",
        )  # fmt: skip
        ranked = ranking(catalog, base)
        beaten = () if base.degrade.baseline is not None else (baseline(ranked),)
        start = () if "model.settings" in given else _start(base, ranked)
        others = (model, *beaten, *start)
        return advice(catalog, cost, budget, base=base, given=given, sizes=sizes, leaked=leaked, others=others)

    def preparation(self, size: int) -> str:
        """What must happen to a photo before it enters the exported model, in words."""
        return (
            "Apply the EXIF orientation, put transparency on white, convert to RGB. Divide by 255: float32 in 0..1, channels "
            "first [n,3,h,w], any height and width; nothing is resized. The answer is the image without noise in 0..1. Large "
            "images can be given in tiles that overlap."
        )

    def example(self) -> Example:
        """A perfect answer to eight images, for the law of tasks."""
        wanted = torch.rand(8, 3, 24, 24, generator=torch.Generator().manual_seed(0)).mul(255).round().div(255)
        target = torch.stack([wanted, wanted * 0.9], dim=1)
        recipe = Recipe.make({"task": self.name}).change(RECIPE)
        return Example(recipe, wanted, target, torch.zeros(8, dtype=torch.int64).numpy(), ())


# The rate where the network begins as the filter, and little is left to learn (bench/DENSE.md).
FINE = 1e-3
# A filter that gains less than this, in dB, on the given images is no place to start from.
WORTH = 0.2


def _start(base: Recipe, ranked: Ranking) -> tuple[Choice, ...]:
    """Where the network can begin as a classical filter, and that is worth it: at the strength that was best."""
    name = base.model.name
    if name not in MODELS.names() or "start" not in MODELS.settings(name):
        return ()
    gain, strength = ranked.gain("dct")
    if gain < WORTH:
        return ()
    reason = (
        f"it begins as the dct filter at strength {strength:g} ({gain:+.2f} dB on {ranked.n} training images) and sees the noisy image beside "
        "it: what is left to learn is where that filter errs, and that takes minutes"
    )
    zh = f"网络以 dct 滤波（强度 {strength:g}，{gain:+.2f} dB）为起点，同时看到带噪图像，只需学习该滤波的误差"

    value = {**base.model.settings, "start": strength}
    return (
        Choice("model.settings", value, reason, "Pierazzo et al. 2017, IPOL 7; Zhang et al. 2017, DnCNN", zh),
        Choice(
            "optim.lr", FINE, f"{FINE:g}, falling by a cosine: it begins as the filter, and little is left to learn", "measured, bench/DENSE.md",
            f"{FINE:g}，余弦下降：以滤波为起点，剩下要学的不多",
        ),
    )  # fmt: skip
