"""Parity: the exported file must say of real images what the trained model says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from snellen.ship.answer import top_classes_agree
from snellen.ship.session import session
from snellen.values import SnellenError

# One alone, an odd number that divides nothing, and a full batch: a batch fixed by mistake fails on one of them.
BATCHES = (1, 7, 32)

# Batches of one small size; the full one sees every image.
ROUNDS = 3


def parity(
    model: torch.nn.Module, onnx_path: Path, images: np.ndarray, *, same: Callable[..., np.ndarray] = top_classes_agree
) -> dict[str, Any]:
    """Largest difference of a number of the answer (`max_abs`), share that says the same (`agreement`), `n` images, `batches`.

    `model` takes what the file takes (`export.Deployed`): `images` float32 [n, 3, s, s] in 0..1. `same(found, expected)`
    gives bool [n, …]; without it: equal top classes. Raises SnellenError for other images or none. A result that is not
    finite gives max_abs infinity.
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.float32 or not len(images):
        raise SnellenError(
            f"images are {images.dtype} {list(images.shape)}, expected float32 [n, 3, size, size] with n of 1 or more"
        )
    opened = session(onnx_path)
    name = opened.get_inputs()[0].name
    expected = _reference(model, images)
    worst, alike, seen = 0.0, 0, 0
    for batch in BATCHES:
        count = len(images) if batch == max(BATCHES) else min(len(images), ROUNDS * batch)
        for start in range(0, count, batch):
            rows = slice(start, min(start + batch, count))
            found = opened.run(None, {name: images[rows]})[0]
            worst = max(worst, _distance(found, expected[rows]))
            told = same(found, expected[rows])
            alike, seen = alike + int(told.sum()), seen + told.size
    return {"max_abs": worst, "agreement": alike / seen, "n": len(images), "batches": list(BATCHES)}


def _reference(model: torch.nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        parts = [model(torch.from_numpy(images[start : start + 32])) for start in range(0, len(images), 32)]
    return torch.cat(parts).numpy()


def _distance(found: np.ndarray, expected: np.ndarray) -> float:
    if found.shape != expected.shape:
        raise SnellenError(
            f"the exported model answers with shape {found.shape}, the trained one with {expected.shape}"
        )
    gap = np.abs(found.astype(np.float64) - expected)
    return float(gap.max()) if np.isfinite(gap).all() else float("inf")
