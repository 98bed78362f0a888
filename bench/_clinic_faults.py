"""Planted training faults: kinds that today's recipe and data can express, drawn from the kind, the data and the seed.

A fault is a change of the recipe, or of a copy of the images, or both. Nothing here knows a rule or a remedy, and no rule
knows this file: what a rule should have said of a kind stands in `_clinic_answers`.
"""

from __future__ import annotations

import hashlib
import inspect
import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

Spoil = Callable[[Path, random.Random], None]
Change = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True, slots=True)
class Fault:
    """`patch`: recipe keys; `spoil`: done to a copy of the images, test images never; `healable`: whether a change of the recipe
    can undo it; `colour`: whether it needs images in colour."""

    what: str
    patch: Mapping[str, Any] = field(default_factory=dict)
    spoil: Spoil | None = None
    healable: bool = True
    colour: bool = False


def drawn(*words: object) -> random.Random:
    """The chance of one cell, whatever was done before it."""
    return random.Random(hashlib.blake2b("/".join(map(str, words)).encode()).hexdigest())


def digest(*words: object) -> str:
    """Twelve hex digits of what the words say."""
    return hashlib.blake2b("\n".join(map(str, words)).encode(), digest_size=6).hexdigest()


@cache
def program(spoil: Callable[..., Any] | None) -> str:
    """The text of what spoils images, with the numbers and functions that it was made with: another text plants other images.
    What it merely calls (`images`, `rewrite`) is not followed."""
    if spoil is None:
        return ""
    held = inspect.getclosurevars(spoil).nonlocals
    made = [f"{name} = {program(value) if callable(value) else value!r}" for name, value in sorted(held.items())]
    return "\n".join([inspect.getsource(spoil), *made])


def classes(data: Path) -> list[Path]:
    """Class folders of the training split, in order."""
    return sorted(path for path in (data / "train").iterdir() if path.is_dir())


def images(folder: Path) -> list[Path]:
    """Images below a folder, in order."""
    return sorted(folder.rglob("*.png"))


def wrong_labels(share: float) -> Spoil:
    """Move a share of every training class to another class."""

    def spoil(data: Path, chance: random.Random) -> None:
        folders = classes(data)
        moves = [(path, folder) for folder in folders for path in images(folder) if chance.random() < share]
        for path, folder in moves:
            other = chance.choice([item for item in folders if item != folder])
            path.rename(other / f"moved-{folder.name}-{path.name}")

    return spoil


def fewer(share: float, *, one: bool, least: int = 2) -> Spoil:
    """Remove all but a share of one training class, or of half of them."""

    def spoil(data: Path, chance: random.Random) -> None:
        folders = classes(data)
        for folder in chance.sample(folders, 1 if one else len(folders) // 2):
            found = images(folder)
            for path in chance.sample(found, len(found) - max(least, round(share * len(found)))):
                path.unlink()

    return spoil


def changed(change: Change, split: str, share: float) -> Spoil:
    """Change the pixels of a share of a split."""

    def spoil(data: Path, chance: random.Random) -> None:
        for path in images(data / split):
            if chance.random() < share:
                rewrite(path, change)

    return spoil


def of_one_class(change: Change) -> Spoil:
    """Change the pixels of one class in training."""

    def spoil(data: Path, chance: random.Random) -> None:
        for path in images(chance.choice(classes(data))):
            rewrite(path, change)

    return spoil


def rewrite(path: Path, change: Change) -> None:
    """Replace an image by its changed self."""
    with Image.open(path) as opened:
        image = change(opened.convert("RGB"))
    image.save(path)


def copies(to: str, share: float) -> Spoil:
    """Copy a share of the training images into a split."""

    def spoil(data: Path, chance: random.Random) -> None:
        found = images(data / "train")
        for path in chance.sample(found, round(share * len(found))):
            shutil.copy(path, data / to / path.parent.name / f"copy-{path.name}")

    return spoil


def relabelled(data: Path, chance: random.Random) -> None:
    """Exchange the validation images of two classes: one list of class names was sorted otherwise than the other."""
    one, other = (data / "val" / path.name for path in chance.sample(classes(data), 2))
    spare = data / "val" / "spare"
    one.rename(spare)
    other.rename(one)
    spare.rename(other)


def truncated(share: float) -> Spoil:
    """Cut the files of a share of the training images in half."""

    def spoil(data: Path, chance: random.Random) -> None:
        found = images(data / "train")
        for path in chance.sample(found, max(2, round(share * len(found)))):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return spoil


def darker(image: Image.Image) -> Image.Image:
    """Two fifths of the light."""
    return image.point([int(value * 0.4) for value in range(256)] * 3)


def washed(image: Image.Image) -> Image.Image:
    """As if pixels of another range were taken for 0 to 255: half the contrast, lifted."""
    return image.point([int(110 + value * 0.45) for value in range(256)] * 3)


def swapped(image: Image.Image) -> Image.Image:
    """Red for blue."""
    return Image.fromarray(np.asarray(image)[..., ::-1].copy())


def blurred(image: Image.Image) -> Image.Image:
    """Out of focus."""
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 16))


def marked(image: Image.Image) -> Image.Image:
    """With a patch in a corner."""
    side = max(4, min(image.size) // 8)
    image = image.copy()
    image.paste((255, 0, 255), (2, 2, 2 + side, 2 + side))
    return image


def blank(image: Image.Image) -> Image.Image:
    """Nothing to see."""
    return Image.new("RGB", image.size, (0, 0, 0))


BARE: Mapping[str, Any] = {
    "augment.parts": [], "augment.mixup": 0.0, "model.dropout": 0.0, "train.ema": 0.0, "loss.settings": {"smoothing": 0.0}, "optim.weight_decay": 0.0,
}  # fmt: skip
WILD: Sequence[Mapping[str, Any]] = (
    {"name": "crop", "settings": {"low": 0.02}},
    {"name": "rotate", "settings": {"degrees": 180.0}},
    {"name": "invert", "settings": {"chance": 0.5}},
)


def _sgd(lr: float, **more: Any) -> dict[str, Any]:
    return {"optim.name": "sgd", "optim.lr": lr, "optim.settings": more}


def _stages(*epochs: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "unfreeze": name, "epochs": count, "lr_scale": SCALES[name]} for name, count in epochs]


# Multiples of optim.lr at which the stages of the healthy recipe learn.
SCALES = {"head": 5.0, "last": 1.0}
CONSTANT = {"name": "constant"}
FAULTS: Mapping[str, Fault] = {
    "rate_high": Fault("rate × 100", {"optim.lr": 2e-2}),
    "rate_absurd": Fault("rate × 10,000, no clipping", {"optim.lr": 2.0, "optim.clip": None}),
    "loss_nan": Fault("SGD at a rate at which numbers overflow", {**_sgd(1e12), "optim.clip": None}),
    "rate_low": Fault("rate / 1000", {"optim.lr": 2e-7}),
    "rate_low_sgd": Fault("SGD at a rate for Adam, / 100", _sgd(2e-6)),
    "no_warmup": Fault("rate × 25 and no warm-up", {"optim.lr": 5e-3, "stages.last.warmup": 0.0}),
    "no_clip": Fault("SGD, rate × 100, no clipping", {**_sgd(0.5), "optim.clip": None}),
    "momentum_absurd": Fault("SGD with momentum 0.999", _sgd(2e-2, momentum=0.999)),
    "never_decays": Fault("rate × 5 that never falls", {"optim.lr": 1e-3, "stages.head.schedule": CONSTANT, "stages.last.schedule": CONSTANT, "train.ema": 0.0}),
    "decay_huge": Fault("weight decay 300", {"optim.weight_decay": 300.0}),
    "dropout_huge": Fault("dropout 0.97", {"model.dropout": 0.97}),
    "smoothing_huge": Fault("label smoothing 0.95", {"loss.settings": {"smoothing": 0.95}}),
    "mixup_extreme": Fault("Mixup 8 and CutMix 8", {"augment.mixup": 8.0, "augment.cutmix": 8.0}),
    "augmented_to_death": Fault("crops of 2 %, any rotation, negatives", {"augment.parts": list(WILD)}),
    "no_regularisation": Fault("no protection, 3 × the epochs", {**BARE, "stages.last.epochs": 10, "optim.lr": 4e-4}),
    "too_long": Fault("no augmentation, rate × 5, 20 epochs for 3", {"augment.parts": [], "augment.mixup": 0.0, "loss.settings": {"smoothing": 0.0}, "optim.lr": 1e-3, "stages.last.epochs": 20}),
    "too_short": Fault("one epoch of each stage, rate / 10", {"stages.head.epochs": 1, "stages.last.epochs": 1, "optim.lr": 2e-5}),
    "frozen": Fault("the head alone is trained", {"stages": _stages(("head", 4))}),
    "not_pretrained": Fault("trunk from noise", {"model.weights": "none", "train.freeze_norm": False}),
    "batch_tiny": Fault("batches of 4 with batch-norm, rate × 5", {"train.batch": 4, "optim.lr": 1e-3, "train.freeze_norm": False}),
    "batch_whole": Fault("one step an epoch", {"train.batch": 600}),
    "too_small": Fault("images of 16 px", {"data.size": 16, "data.eval_size": 16}),
    "sizes_differ": Fault("trained on 24 px, evaluated on 64", {"data.size": 24}),
    "loss_mismatch": Fault("focal loss, gamma 20", {"loss": {"name": "focal", "settings": {"gamma": 20.0}}}),
    "labels_wrong": Fault("a third of the labels wrong", spoil=wrong_labels(0.33)),
    "labels_by_heart": Fault("a fifth of the labels wrong, no protection", {**BARE, "stages.last.epochs": 10}, wrong_labels(0.2)),
    "class_rare": Fault("one class cut to 2 images", spoil=fewer(0.04, one=True)),
    "imbalanced": Fault("half of the classes cut to an eighth", spoil=fewer(0.12, one=False)),
    "leaked": Fault("a fifth of training also in validation", spoil=copies("val", 0.2), healable=False),
    "copied": Fault("half of training twice", spoil=copies("train", 0.5)),
    "validation_dark": Fault("validation at 40 % of the light", spoil=changed(darker, "val", 1.0), healable=False),
    "validation_washed": Fault("validation of another range", spoil=changed(washed, "val", 1.0), healable=False),
    "validation_swapped": Fault("red for blue in validation", spoil=changed(swapped, "val", 1.0), healable=False, colour=True),
    "validation_relabelled": Fault("two classes exchanged in validation", spoil=relabelled, healable=False),
    "class_blurred": Fault("one class out of focus in training", spoil=of_one_class(blurred)),
    "marker": Fault("a patch on every image of a class", spoil=of_one_class(marked), healable=False),
    "blanks": Fault("a fifth of training blank", {"data.max_bad": 0.3}, changed(blank, "train", 0.2)),
    "truncated": Fault("3 % of training cut in half", {"data.max_bad": 0.05}, truncated(0.03)),
}  # fmt: skip


def planted(fault: Fault, data: Path, folder: Path, chance: random.Random) -> Path:
    """The images with the fault: a copy, made whole or not at all; the images themselves where only the recipe is faulty."""
    if fault.spoil is None:
        return data
    ready = folder.with_name(f"{folder.name}.ready")
    if not ready.exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(data, folder)
        fault.spoil(folder, chance)
        ready.touch()
    return folder


def halves(sets: Sequence[str]) -> dict[tuple[str, str], str]:
    """(kind, data) → "tuning" or "report". Of every kind some data is for tuning and some for the report; which, and which
    half has more of it, is drawn: no one looked at a result first."""
    found: dict[tuple[str, str], str] = {}
    for place, kind in enumerate(sorted(FAULTS, key=lambda kind: drawn("order", kind).random())):
        order = sorted(sets, key=lambda name: drawn("half", kind, name).random())
        cut = (len(order) + place % 2) // 2
        found |= {(kind, name): "tuning" if i < cut else "report" for i, name in enumerate(order)}
    return found
