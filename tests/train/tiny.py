"""A training that takes a second: made alike in the tests and in the program that they kill."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.values import FrozenMap

CLASSES = ("blue", "green", "red")
TRAIN, VAL, SIDE = 29, 15, 32  # 29 images in batches of 8: the last batch has 5.

PATCH: dict[str, Any] = {
    "model": {"name": "test_efficientnet", "weights": "none", "dropout": 0.2},
    "data.size": SIDE,
    "optim.lr": 2e-3,
    "train": {"batch": 8, "ema": 0.9, "views": 2, "precision": "fp32", "layout": "contiguous", "gap_samples": 16},
    "augment.parts": [{"name": name} for name in ("flip", "crop", "brightness_contrast", "erase")],
    "augment.mixup": 0.2,
    "stages": [
        {"name": "head", "unfreeze": "head", "epochs": 2, "lr_scale": 5.0},
        {"name": "last", "unfreeze": "last", "epochs": 2},
        {"name": "all", "unfreeze": "all", "epochs": 3, "lr_scale": 0.5, "warmup": 1.0},
    ],
}
STEPS = {"head": (0, 8), "last": (8, 16), "all": (16, 28)}
ALL = [{"name": "all", "unfreeze": "all", "epochs": 2, "warmup": 0.5}]


def recipe(patch: Mapping[str, Any] | None = None) -> Recipe:
    """The tiny recipe, changed."""
    return Recipe().change(PATCH).change(patch or {})


def material(*, train: int = TRAIN, val: int = VAL) -> tuple[Catalog, Pixels]:
    """A catalog whose images exist in memory only: a colour for each class, and noise."""
    chance = np.random.default_rng(3)
    n = train + val
    targets = [CLASSES[i % len(CLASSES)] for i in range(n)]
    colours = np.eye(3)[[CLASSES.index(name) for name in targets]][:, ::-1] * 60 + 90
    array = np.clip(colours[:, None, None] + chance.normal(0, 60, (n, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    rows = [
        {"id": f"s{i:03d}", "content": f"c{i}", "path": f"{i}.png", "target": targets[i]}
        | {"split": "train" if i < train else "val"}
        for i in range(n)
    ]
    return Catalog.of_rows(rows), Pixels(array, FrozenMap({f"c{i}": i for i in range(n)}))


def until(folder: Path, step: int) -> None:
    """Train, say so at the step, and then wait to be killed."""
    import torch

    from snellen.train.loop import train
    from snellen.train.machine import Setting

    torch.set_num_threads(1)
    seen = 0

    def watch(event: Mapping[str, Any]) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            print("waiting", flush=True)
            sys.stdin.read()

    cache = folder.parent / "cache"
    train(recipe(), *material(), folder, setting=Setting(), cache=cache, watch=watch, checkpoint_seconds=0.0)


if __name__ == "__main__":
    until(Path(sys.argv[1]), int(sys.argv[2]))
