"""The clinic's data: small balanced parts of real datasets, written once as folders, and a catalog of each, examined."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from _clinic_faults import FAULTS, drawn, planted
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


def folder_of(name: str, root: Path, work: Path) -> Path:
    """The small folder of a dataset: made where it is not there, the same images always."""
    place = work / "data" / name
    ready = place.with_name(f"{name}.ready")
    if not ready.exists():
        if not (root / name).is_dir():
            raise SnellenError(f"{root} holds no folder {name}; give its parent with --data")
        _write(root / name, place, SETS[name], drawn("images", name))
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
    """The examined data of a kind: the healthy data's, where the fault is one of the recipe alone."""
    fault = FAULTS.get(kind)
    spoiled = fault is not None and fault.spoil is not None
    return _examined(kind, name, seed, root, work) if spoiled else _examined("", name, 0, root, work)


@lru_cache(maxsize=6)
def _examined(kind: str, name: str, seed: int, root: Path, work: Path) -> Ground:
    place = work / "ground" / (f"{name}-{kind}-s{seed}" if kind else name)
    data = folder_of(name, root, work)
    if kind:
        data = planted(FAULTS[kind], data, place / "images", drawn(kind, name, seed))
    catalog, pixels = open_pixels(read([data], task="classification"), size=SIDE, cache=cache_folder())
    stored = place / "catalog.parquet"
    if not stored.is_file():
        measured(catalog, pixels).save(stored)
    catalog = Catalog.load(stored)
    # Today's rules on stored measurements.
    return Ground(catalog, pixels, audit(catalog), place / "cache")


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


# What every training begins from: a pretrained network, the head first, then the last two of its four stages.
HEALTHY: Mapping[str, object] = {
    "data.size": SIDE, "data.eval_size": SIDE, "optim.weight_decay": 0.01, "train.batch": 32, "train.views": 2,
    "train.gap_samples": 150, "train.precision": SETTING.precision, "train.layout": SETTING.layout,
    "augment.parts": [{"name": name} for name in ("flip", "crop", "brightness_contrast")],
    "stages": [
        {"name": "head", "unfreeze": "head", "epochs": 4, "lr_scale": 5.0},
        {"name": "last", "unfreeze": "last", "epochs": 3, "lr_scale": 1.0, "warmup": 0.5},
    ],
    "improve": {"remedies": 2, "seeds": 3, "soup": False},
}  # fmt: skip


def recipe_of(kind: str, seed: int) -> Recipe:
    """The resolved recipe of a cell. Seeds of cells lie a hundred apart: an arm that needs further seeds meets no other cell's."""
    fault = FAULTS.get(kind)
    healthy = Recipe().change(HEALTHY).change({"seed": 100 * seed})
    return healthy.change(dict(fault.patch) if fault else {}).resolve()
