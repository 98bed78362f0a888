"""A training on masks that takes seconds: squares and bars on noise, with masks as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.tasks.segmentation import RECIPE
from snellen.values import FrozenMap

NAMES = {"0": "background", "1": "square", "2": "bar"}
TRAIN, VAL, SIDE = 12, 6, 32

PATCH: dict[str, Any] = {
    "task": "segmentation",
    **RECIPE,
    "model": {"name": "test_efficientnet", "weights": "none", "dropout": 0.1, "decoder": {"name": "unet", "settings": {"channels": [16, 16, 8, 8, 8]}}},
    "data.size": SIDE,
    "optim.lr": 3e-3,
    "train": {"batch": 4, "ema": 0.9, "precision": "fp32", "layout": "contiguous", "gap_samples": 6},
    "augment.parts": [{"name": name} for name in ("flip", "crop", "rotate", "brightness_contrast")],
    "stages": [
        {"name": "head", "unfreeze": "head", "epochs": 1, "lr_scale": 2.0},
        {"name": "last", "unfreeze": "last", "epochs": 1},
        {"name": "all", "unfreeze": "all", "epochs": 1, "schedule": {"name": "poly"}},
    ],
}  # fmt: skip


def recipe(patch: Mapping[str, Any] | None = None) -> Recipe:
    """The tiny recipe, changed."""
    return Recipe().change(PATCH).change(patch or {})


def pictures(n: int, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 32, 32, 3] and masks [n, 32, 32]; every third image has a bar."""
    chance = np.random.default_rng(seed)
    masks = np.zeros((n, SIDE, SIDE), dtype=np.uint8)
    for image in range(n):
        y, x = chance.integers(2, 18, 2)
        masks[image, y : y + 9, x : x + 9] = 1
        if image % 3 == 0:
            masks[image, 28:30, 3:27] = 2
    colours = np.asarray([(60, 60, 60), (190, 60, 60), (60, 60, 190)])[masks]
    return np.clip(colours + chance.normal(0, 20, (n, SIDE, SIDE, 3)), 0, 255).astype(np.uint8), masks


def material(folder: Path, *, train: int = TRAIN, val: int = VAL) -> tuple[Catalog, Pixels]:
    """A catalog of images in memory with masks in `folder`."""
    n = train + val
    images, masks = pictures(n)
    folder.mkdir(parents=True, exist_ok=True)
    for place, mask in enumerate(masks):
        if not (folder / f"{place}.png").is_file():
            Image.fromarray(mask).save(folder / f"{place}.png")
    rows = [
        {"id": f"s{i:03d}", "content": f"c{i}", "path": f"{i}.jpg", "root": str(folder), "mask": f"{i}.png"}
        | {"split": "train" if i < train else "val", "mask_problem": "", "width": SIDE, "height": SIDE}
        for i in range(n)
    ]
    catalog = Catalog.of_rows(rows).with_about({"task": "segmentation", "classes": NAMES})
    ids = pa.array([np.unique(mask).tolist() for mask in masks], type=pa.list_(pa.int32()))
    return catalog.with_columns({"mask_ids": ids}), Pixels(images, FrozenMap({f"c{i}": i for i in range(n)}))
