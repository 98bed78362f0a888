"""The clinic's data: small balanced parts of real datasets, drawn by the seed of a cell, and a catalog of each, examined."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from _clinic_faults import FAULTS, digest, drawn, planted, program
from snellen.catalog import OK, Catalog
from snellen.data.duplicates import near_clusters
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.examine import audit
from snellen.opening import cache_folder
from snellen.recipe import Recipe
from snellen.tasks.classification import classification
from snellen.train import measure
from snellen.train.machine import Setting
from snellen.train.measure import embedded
from snellen.values import Finding, SnellenError

SIDE = 64
SETTING = Setting("fp32", "channels_last")
# Images of each class by split: every class has as many, so that accuracy and mean recall are one number on the test split.
EACH: Mapping[str, int] = {"train": 60, "val": 20, "test": 25}
# Where the images of each of our splits are taken from; what one split took is gone for the next.
SETS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cifar10_12k": {"train": ("train",), "val": ("train",), "test": ("test",)},
    "fashion_mnist_small": {"train": ("train",), "val": ("val",), "test": ("test",)},
    "clothing": {"train": ("train",), "val": ("train",), "test": ("train",)},
}
COLOUR = ("cifar10_12k", "clothing")


@dataclass(frozen=True, slots=True)
class Ground:
    """A dataset, examined: what is trained, validated and tested on, and what the catalog rules said."""

    catalog: Catalog
    pixels: Pixels
    findings: tuple[Finding, ...]
    cache: Path


@cache
def drawn_from(name: str, root: Path) -> str:
    """What the images of a dataset are drawn from, and how: its files by path and size, images a class, pixels."""
    if not (root / name).is_dir():
        raise SnellenError(f"{root} holds no folder {name}; give its parent with --data")
    given = sorted({one for splits in SETS[name].values() for one in splits})
    files = [path for one in given for path in sorted((root / name / one).rglob("*")) if path.is_file()]
    listed = [f"{path.relative_to(root / name).as_posix()} {path.stat().st_size}" for path in files]
    return digest(json.dumps([dict(SETS[name]), dict(EACH), SIDE]), *listed)


def images_of(kind: str) -> str:
    """The kind whose images are trained on: its own where it spoils some, "" where they are the healthy ones."""
    fault = FAULTS.get(kind)
    return kind if fault is not None and fault.spoil is not None else ""


def identity(kind: str, name: str, seed: int, root: Path) -> str:
    """A digest of the images that a kind and seed train on, made without them: what they are drawn from, and what spoils them."""
    spoiled = images_of(kind)
    return digest(drawn_from(name, root), seed, spoiled, program(FAULTS[spoiled].spoil) if spoiled else "")


def folder_of(name: str, seed: int, root: Path, work: Path) -> Path:
    """The small folder of a dataset and seed: made where it is not there, the same images always, others for another seed. So
    what is true of one drawing is not counted again with every training."""
    place = work / "data" / f"{name}-s{seed}-{identity('', name, seed, root)}"
    ready = place.with_name(f"{place.name}.ready")
    if not ready.exists():
        shutil.rmtree(place, ignore_errors=True)
        _write(root / name, place, SETS[name], drawn("images", name, seed))
        ready.touch()
    return place


def _write(source: Path, place: Path, splits: Mapping[str, tuple[str, ...]], chance: random.Random) -> None:
    taken: set[Path] = set()
    for label in sorted(path.name for path in (source / "train").iterdir() if path.is_dir()):
        for split, given in splits.items():
            found = [path for one in given for path in sorted((source / one / label).iterdir()) if path not in taken]
            if len(found) < EACH[split]:
                raise SnellenError(f"{source}: {label} has {len(found)} images for {split}, {EACH[split]} are needed")
            for number, path in enumerate(chance.sample(found, EACH[split])):
                taken.add(path)
                _shrink(path, place / split / label / f"{number:03d}.png")


def _shrink(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(path) as opened:
        image = opened.convert("RGB")
        image.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(to)


def ground(kind: str, name: str, seed: int, root: Path, work: Path) -> Ground:
    """The examined data of a kind: the healthy data's of this seed, where the fault is one of the recipe alone."""
    return _examined(images_of(kind), name, seed, root, work)


# A kind after another is looked at on all data, each beside healthy ones: what they share stays at hand.
@lru_cache(maxsize=12)
def _examined(kind: str, name: str, seed: int, root: Path, work: Path) -> Ground:
    place, data = _place(kind, name, seed, root, work), folder_of(name, seed, root, work)
    if kind:
        data = planted(FAULTS[kind], data, place / "images", drawn(kind, name, seed))
    catalog, pixels = open_pixels(read([data], task="classification"), size=SIDE, cache=cache_folder())
    stored = place / "catalog.parquet"
    if not stored.is_file():
        measured(catalog, pixels).save(stored)
    return Ground(Catalog.load(stored), pixels, _heard(kind, name, seed, root, work), place / "cache")


def heard(kind: str, name: str, seed: int, root: Path, work: Path) -> tuple[Finding, ...]:
    """Today's catalog rules on the stored measurements of a kind's data: its images need not be there any more."""
    return _heard(images_of(kind), name, seed, root, work)


@lru_cache(maxsize=12)
def _heard(kind: str, name: str, seed: int, root: Path, work: Path) -> tuple[Finding, ...]:
    stored = _place(kind, name, seed, root, work) / "catalog.parquet"
    return audit(Catalog.load(stored)) if stored.is_file() else _examined(kind, name, seed, root, work).findings


def let_go(name: str, seed: int, root: Path, work: Path) -> None:
    """Remove the images and caches of a healthy training that nothing else shares: hundreds of them would fill the disk. What was
    measured stays."""
    data = folder_of(name, seed, root, work)
    data.with_name(f"{data.name}.ready").unlink()
    for folder in (data, _place("", name, seed, root, work) / "cache"):
        shutil.rmtree(folder, ignore_errors=True)


def _place(kind: str, name: str, seed: int, root: Path, work: Path) -> Path:
    words = (name, *([kind] if kind else []), f"s{seed}", identity(kind, name, seed, root))
    return work / "ground" / "-".join(words)


def measured(catalog: Catalog, pixels: Pixels) -> Catalog:
    """With what the catalog rules read that the kinds are about: copies, doubted labels, markers. Strangers, transforms and the map
    are left out, because they cost more than a training; rules that need them say that they have not looked."""
    model = SETTING.prepare(classification().model(Recipe(), catalog.classes))
    catalog = embedded(catalog, pixels, model, SETTING, size=SIDE)
    catalog = catalog.with_columns({"near": near_clusters(catalog)})
    usable = np.flatnonzero(catalog.column("verdict").astype(str) == OK)
    part = catalog.take(usable)
    found = part.column("embedding").astype(np.float32)
    lengths = np.linalg.norm(found, axis=1)
    unit = found / np.maximum(lengths, 1e-9)[:, None]
    train = np.flatnonzero(part.column("split").astype(str) == "train")
    _, columns = measure._judged(part, unit, lengths, train, 0)
    columns |= measure._marked(part, pixels, pixels.rows_of(part), train, 0)
    whole = {name: measure._whole(name, values, usable, len(catalog)) for name, values in columns.items()}
    return catalog.with_columns(whole)


# What healing may try, of every cell alike: two remedies, where the program by itself looks at three, with three seeds each. It binds
# healing alone. The other arms have no number of remedies, but the seconds that healing took and a most of trainings (_clinic_bill).
# Nothing is averaged: the run of the first seed is handed over.
HEALING: Mapping[str, object] = {"remedies": 2, "seeds": 3, "soup": False}
# What every training begins from: a pretrained network, the head first, then the last two of its four stages.
HEALTHY: Mapping[str, object] = {
    "data.size": SIDE, "data.eval_size": SIDE, "optim.weight_decay": 0.01, "train.batch": 32, "train.views": 2,
    # As advice has it for so few steps: with statistics of its own the last stages lost 4 to 17 points on the very training images.
    # And without Mixup and much dropout so few images are learnt by heart: a loss gap of 0.63 and 0.70 on two of three sets.
    "train.gap_samples": 150, "train.freeze_norm": True, "augment.mixup": 1.0, "model.dropout": 0.5, "train.precision": SETTING.precision, "train.layout": SETTING.layout,
    "augment.parts": [{"name": name} for name in ("flip", "crop", "brightness_contrast")],
    "stages": [
        {"name": "head", "unfreeze": "head", "epochs": 4, "lr_scale": 5.0},
        {"name": "last", "unfreeze": "last", "epochs": 3, "lr_scale": 1.0, "warmup": 0.5},
    ],
    "improve": dict(HEALING),
}  # fmt: skip


def recipe_of(kind: str, seed: int) -> Recipe:
    """The resolved recipe of a cell. Seeds of cells lie a hundred apart: an arm that needs further seeds meets no other cell's."""
    fault = FAULTS.get(kind)
    healthy = Recipe().change(HEALTHY).change({"seed": 100 * seed})
    return healthy.change(dict(fault.patch) if fault else {}).resolve()
