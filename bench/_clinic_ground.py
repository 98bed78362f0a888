"""The clinic's data: small balanced parts of real datasets, written once as folders, and a catalog of each, examined."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from _clinic_faults import FAULTS, drawn, planted
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.examine import audit
from snellen.opening import Settings
from snellen.recipe import Recipe
from snellen.survey import measured, read_catalog
from snellen.train.machine import Setting
from snellen.values import Finding, SnellenError

SIDE = 64
SETTING = Setting("fp32", "channels_last")
# Images of each class by split: every class has as many, so that accuracy and mean recall are one number on the test split.
EACH: Mapping[str, int] = {"train": 24, "val": 12, "test": 18}
# Where the images of each of our splits are taken from; what one split took is gone for the next.
SETS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cifar10_12k": {"train": ("train",), "val": ("train",), "test": ("test",)},
    "fashion_mnist_small": {"train": ("train",), "val": ("val",), "test": ("test",)},
    "grocery_small": {"train": ("train",), "val": ("val", "test"), "test": ("test", "val")},
}
COLOUR = ("cifar10_12k", "grocery_small")


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
    settings = Settings((data,), changes={"data.max_bad": 0.05})
    wanted, given = settings.wanted()
    catalog = read_catalog(settings, wanted, given, _still)
    catalog, pixels, _ = measured(Case(place / "case"), catalog, wanted, SIDE, SETTING, _still)
    # Today's rules on stored measurements: what the case holds may be what yesterday's said.
    return Ground(catalog, pixels, audit(catalog), place / "cache")


def _still(event: Mapping[str, object]) -> None:
    """Nobody watches."""


# What every training begins from: a pretrained network, the head first, then the last two of its four stages.
HEALTHY: Mapping[str, object] = {
    "data.size": SIDE, "data.eval_size": SIDE, "optim.weight_decay": 0.01, "train.batch": 24, "train.views": 2,
    "train.gap_samples": 120, "train.precision": SETTING.precision, "train.layout": SETTING.layout,
    "augment.parts": [{"name": name} for name in ("flip", "crop", "brightness_contrast")],
    "stages": [
        {"name": "head", "unfreeze": "head", "epochs": 5, "lr_scale": 10.0},
        {"name": "last", "unfreeze": "last", "epochs": 6, "lr_scale": 3.0, "warmup": 0.5},
    ],
    "improve": {"remedies": 2, "seeds": 3, "soup": False},
}  # fmt: skip


def recipe_of(kind: str, seed: int) -> Recipe:
    """The resolved recipe of a cell. Seeds of cells lie a hundred apart: an arm that needs further seeds meets no other cell's."""
    fault = FAULTS.get(kind)
    healthy = Recipe().change(HEALTHY).change({"seed": 100 * seed})
    return healthy.change(dict(fault.patch) if fault else {}).resolve()
