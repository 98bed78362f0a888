"""The recipes that the backtest compares: what is advised, and three others that people start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snellen.advise import Advice, advise
from snellen.budget import Cost, evaluated_at, seconds
from snellen.catalog import Catalog
from snellen.recipe import Recipe

MODEL = "tf_efficientnet_lite0"
# One step of the whole network on an image of 64 px is 1; what its parts cost beside it is what a probe measures, roughly.
COST = Cost(((64, 1.0), (128, 4.0)), last_share=0.6, forward_share=0.33)
COMMON: Mapping[str, Any] = {
    "model.name": MODEL, "train.precision": "bf16", "train.layout": "channels_last", "train.gap_samples": 32,
}  # fmt: skip
PEERS = ("fastai", "ultralytics", "adamw")
SAYS = {
    "advised": "what `snellen run` would train with that budget: stages, rates, augmentation, smoothing, averaged weights.",
    "fastai": "the defaults of `fine_tune`: batch 64, the head one epoch at 2e-3, then all layers by one cycle up to 1e-3, the "
    "beginning at a hundredth of it and the middle at a tenth; AdamW (beta2 0.99, eps 1e-5), decay 0.01; flip, rotation, zoom, light. "
    "Its two-layer head and its changing momentum are not there: the head is ours.",
    "ultralytics": "its automatic choice for few steps: batch 16, AdamW at 0.002 x 5 / (4 + classes), falling linearly, three epochs "
    "of warm-up, decay 5e-4, clipping at 10; flip, crops from half the area, RandAugment, erasing; averaged weights.",
    "adamw": "AdamW at 1e-3 and nothing else: batch 32, constant rate, decay 0.01, flip and crops, no smoothing, no average.",
}


def peer(name: str, *, size: int, epochs: int, classes: int) -> Recipe:
    """One of PEERS, trained for so many epochs over all layers."""
    make = {"fastai": _fastai, "ultralytics": _ultralytics, "adamw": _adamw}[name]
    plain = {"data.size": size, "data.eval_size": size, "model.dropout": 0.0, "loss.settings": {"smoothing": 0.0}}
    return Recipe().change({**COMMON, **plain, **make(epochs, classes)}).resolve()


def _fastai(epochs: int, classes: int) -> dict[str, Any]:
    # fastai/callback/schedule.py, fine_tune and fit_one_cycle: base_lr 2e-3, halved once all is unfrozen, lr_mult 100, div 5.
    head = {"name": "one_cycle", "settings": {"rise": 0.99, "start": 0.04, "floor": 1e-5}}
    whole = {"name": "one_cycle", "settings": {"rise": 0.3, "start": 0.2, "floor": 1e-5}}
    return {
        "stages": [
            {"name": "head", "unfreeze": "head", "epochs": 1, "lr_scale": 2.0, "schedule": head},
            {"name": "all", "unfreeze": "all", "epochs": epochs, "lr_scale": 1.0, "schedule": whole},
        ],
        "optim.lr": 1e-3, "optim.weight_decay": 0.01, "optim.clip": None,
        "optim.settings": {"beta1": 0.9, "beta2": 0.99, "eps": 1e-5},
        "optim.rates": {"stage1": 0.01, "stage2": 0.01, "stage3": 0.1, "stage4": 0.1, "head": 1.0},
        "augment.parts": [
            {"name": "flip"}, {"name": "rotate", "settings": {"degrees": 10.0}}, {"name": "zoom", "settings": {"share": 0.1}},
            {"name": "brightness_contrast"},
        ],
        "train.batch": 64, "train.ema": 0.0, "train.views": 1,
    }  # fmt: skip


def _ultralytics(epochs: int, classes: int) -> dict[str, Any]:
    # ultralytics/engine/trainer.py, optimizer "auto" below 10,000 steps; cfg/default.yaml for the rest.
    schedule = {"name": "poly", "settings": {"power": 1.0}}
    stage = {"name": "all", "unfreeze": "all", "epochs": epochs, "warmup": min(3.0, epochs / 2), "schedule": schedule}
    return {
        "stages": [stage], "optim.lr": round(0.002 * 5 / (4 + classes), 6), "optim.weight_decay": 5e-4, "optim.clip": 10.0,
        "augment.parts": [
            {"name": "flip"}, {"name": "crop", "settings": {"low": 0.5}}, {"name": "randaugment"},
            {"name": "erase", "settings": {"chance": 0.4}},
        ],
        "train.batch": 16, "train.ema": 0.99,
    }  # fmt: skip


def _adamw(epochs: int, classes: int) -> dict[str, Any]:
    stage = {"name": "all", "unfreeze": "all", "epochs": epochs, "schedule": {"name": "constant"}}
    return {
        "stages": [stage], "optim.lr": 1e-3, "optim.weight_decay": 0.01, "optim.clip": None,
        "augment.parts": [{"name": "flip"}, {"name": "crop"}], "train.batch": 32, "train.ema": 0.0,
    }  # fmt: skip


def advised(catalog: Catalog, *, size: int, others: Sequence[Recipe]) -> Recipe:
    """What is advised for the longest budget whose training is reckoned to cost no more than any of the others."""
    counts = len(catalog.usable().of("train")), len(catalog.usable().of("val"))
    limit = min(reckoned(other, *counts) for other in others)
    plans = [_advice(catalog, size, budget).recipe.resolve() for budget in np.geomspace(limit / 2, 12 * limit, 60)]
    costs = {plan.id: reckoned(plan, *counts) for plan in plans}
    fitting = [plan for plan in plans if costs[plan.id] <= limit] or [min(plans, key=lambda plan: costs[plan.id])]
    return max(fitting, key=lambda plan: costs[plan.id])


def reckoned(recipe: Recipe, n: int, n_val: int) -> float:
    """What a training costs by COST. The budget takes the features of images as they are for known, since an audit has made them;
    here there is none, and whoever trains a head on them pays for the pass."""
    own = seconds(recipe, COST, n, n_val)
    if recipe.train.views > 1 or all(stage.unfreeze != "head" for stage in recipe.stages):
        return own
    images = n + n_val + min(n, recipe.train.gap_samples)
    return own + images * COST.forward(recipe.data.eval_size or recipe.data.size)


def _advice(catalog: Catalog, size: int, budget: float) -> Advice:
    column = [catalog.column(name).astype(float) for name in ("width", "height")]
    side = float(np.median(np.minimum(*column)))
    given = {**COMMON, "data.size": size}
    base = Recipe().change(given)
    return advise(catalog, COST, budget, base=base, given=given, sizes=(size, evaluated_at(size, side)))
