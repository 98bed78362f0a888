"""Techniques that an ablation can add to a recipe and take from it, each with what was published of it (SPEC E1).

A claim is somebody else's result on somebody else's data. Only the inventory's own figures stand here; where it has none, the
direction is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from snellen.recipe import Recipe
from snellen.shelf import LOSSES, hint
from snellen.values import SnellenError

Patch = Callable[[Recipe], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Technique:
    """`on` and `off` are patches of a recipe. `screens`: whether the head alone, on cached features, tells of it."""

    name: str
    on: Patch
    off: Patch
    claim: str
    source: str
    screens: bool = False


def _always(patch: Mapping[str, Any]) -> Patch:
    return lambda recipe: patch


# What the advice takes for natural images; an own choice of the recipe is kept instead.
PLAIN = ({"name": "flip"}, {"name": "crop", "settings": {"low": 0.4}}, {"name": "brightness_contrast"})


def _augmented(recipe: Recipe) -> Mapping[str, Any]:
    return {"augment.parts": [part.model_dump(mode="json") for part in recipe.augment.parts] or list(PLAIN)}


def _schedule(name: str) -> Patch:
    return lambda recipe: {f"stages.{place}.schedule": {"name": name} for place in range(len(recipe.stages))}


def _smoothed(value: float) -> Patch:
    def patch(recipe: Recipe) -> Mapping[str, Any]:
        if "smoothing" not in LOSSES.settings(recipe.loss.name):
            raise SnellenError(
                f"label-smoothing: loss {recipe.loss.name!r} has no setting smoothing; ablate it with cross_entropy"
            )
        return {"loss.settings.smoothing": value}

    return patch


def _loss(name: str, settings: Mapping[str, Any]) -> Patch:
    """Another loss with as much smoothing as the recipe's."""

    def patch(recipe: Recipe) -> Mapping[str, Any]:
        smoothing = recipe.loss.settings.get("smoothing", LOSSES.settings(recipe.loss.name).get("smoothing", 0.0))
        kept = {"smoothing": smoothing} if "smoothing" in LOSSES.settings(name) else {}
        return {"loss": {"name": name, "settings": {**kept, **settings}}}

    return patch


PLAIN_LOSS, BETTER = _loss("cross_entropy", {}), "better (no figure)"

ALL = (
    Technique(name="augment", on=_augmented, off=_always({"augment.parts": []}), claim=BETTER, source="SPEC D8", screens=True),
    Technique(
        name="cutmix", on=_always({"augment.cutmix": 1.0}), off=_always({"augment.cutmix": 0.0}),
        claim="to be preferred to random crops on small fine-grained data", source="SPEC D8; Yun et al. 2019, arXiv:1905.04899",
    ),
    Technique(
        name="mixup", on=_always({"augment.mixup": 0.4}), off=_always({"augment.mixup": 0.0}), claim="answers over-fitting",
        source="SPEC D8, S1; Zhang et al. 2018, arXiv:1710.09412",
    ),
    Technique(
        name="cosine", on=_schedule("cosine"), off=_schedule("step"), claim="better than steps (no figure)",
        source="SPEC L5; Loshchilov & Hutter 2017, arXiv:1608.03983",
    ),
    Technique(
        name="label-smoothing", on=_smoothed(0.1), off=_smoothed(0.0), claim=BETTER,
        source="SPEC L1; Szegedy et al. 2016, arXiv:1512.00567", screens=True,
    ),
    Technique(
        name="focal", on=_loss("focal", {"gamma": 2.0}), off=PLAIN_LOSS, claim="answers imbalance",
        source="SPEC L1; Lin et al. 2017, arXiv:1708.02002", screens=True,
    ),
    Technique(
        name="class-balanced", on=_loss("class_balanced", {}), off=PLAIN_LOSS, claim="answers imbalance",
        source="SPEC L1, T6; Cui et al. 2019, arXiv:1901.05555", screens=True,
    ),
    Technique(
        name="balanced-sampling", on=_always({"train.sampling": "balanced"}), off=_always({"train.sampling": "uniform"}),
        claim="before plain cross-entropy for few, imbalanced samples", source="SPEC T6", screens=True,
    ),
    Technique(
        name="center", on=_loss("center", {}), off=PLAIN_LOSS, claim="intra-class distance -37 % (MNIST)",
        source="SPEC L1; Wen et al. 2016, ECCV",
    ),
    Technique(
        name="arcface", on=_loss("arcface", {"margin": 0.5}), off=PLAIN_LOSS, claim="verification 99.2 to 99.6 % (LFW)",
        source="SPEC L1; Deng et al. 2019, arXiv:1801.07698",
    ),
    Technique(
        name="dropout", on=_always({"model.dropout": 0.3}), off=_always({"model.dropout": 0.0}), claim="answers over-fitting",
        source="SPEC L8, S1; Srivastava et al. 2014, JMLR 15", screens=True,
    ),
    Technique(
        name="averaged-weights", on=_always({"train.ema": 0.99}), off=_always({"train.ema": 0.0}), claim=BETTER, source="SPEC L8",
        screens=True,
    ),
    Technique(
        name="clipping", on=_always({"optim.clip": 1.0}), off=_always({"optim.clip": None}), claim="steadier", source="SPEC M3, S4",
        screens=True,
    ),
    Technique(
        name="mixed-precision", on=_always({"train.precision": "bf16"}), off=_always({"train.precision": "fp32"}),
        claim="1.8 times as fast, 40 % less memory", source="SPEC V5",
    ),
)  # fmt: skip
BY_NAME = {technique.name: technique for technique in ALL}


def technique(name: str) -> Technique:
    """By its name, with _ or -; raises SnellenError with the nearest names."""
    plain = name.replace("_", "-")
    if plain not in BY_NAME:
        raise SnellenError(f"no technique is named {name!r}{hint(plain, tuple(BY_NAME))}")
    return BY_NAME[plain]
