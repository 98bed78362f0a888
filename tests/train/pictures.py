"""A golden image with real shapes, smooth shades and fine texture, and how two images are compared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from snellen.recipe import Recipe
from snellen.train.augment import Augmenter, augmenter
from snellen.train.draws import keys, uniforms

SIDE = 96
LEVEL = 1 / 255


@cache
def garments(count: int = 3) -> np.ndarray:
    """Garments of Fashion-MNIST enlarged to 96 × 96, [n, s, s] in 0..1."""
    with np.load(str(files("snellen.data") / "fashion_mnist.npz")) as stored:
        small = torch.from_numpy(stored["images"][:count].astype(np.float32) / 255)
    large = F.interpolate(small[:, None], size=(SIDE, SIDE), mode="bicubic", align_corners=False)
    return np.asarray(large[:, 0].clamp(0, 1))


def golden() -> np.ndarray:
    """One image [1, s, s, 3] uint8: three garments as its colours, over a gradient, with a little grain."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    shades = np.stack([x, y, 1 - (x + y) / 2], axis=-1)
    grain = np.random.default_rng(0).normal(0, 0.02, (SIDE, SIDE, 3))
    mixed = 0.65 * garments().transpose(1, 2, 0) + 0.25 * shades + 0.05 + grain
    return (mixed.clip(0, 1) * 255).round().astype(np.uint8)[None]


def eight_bit(pixels: np.ndarray) -> Tensor:
    """[3, s, s] uint8, as torchvision takes it."""
    return torch.from_numpy(pixels[0]).permute(2, 0, 1).contiguous()


def made(*parts: dict[str, Any], size: int = SIDE) -> Augmenter:
    """An augmenter without normalisation."""
    recipe = Recipe().change({"augment.parts": list(parts), "data.size": size}).resolve()
    return augmenter(recipe, ("a", "b"), (0.0,) * 3, (1.0,) * 3)


def applied(augment: Augmenter, pixels: np.ndarray, ids: Sequence[str] = ("a",), *, epoch: int = 0) -> Tensor:
    """Augmented as seed 0 does it."""
    return augment(pixels, np.zeros(len(pixels), np.int64), seed=0, epoch=epoch, keys=keys(ids))


def drawn(count: int, id_: str = "a") -> list[float]:
    """What the first part of an augmenter draws for the sample in `applied`."""
    return uniforms(0, 0, keys([id_]), count)[0].astype(float).tolist()
