"""Ship: export, prove that the file says what the model says, measure it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from snellen.ship.answer import CLASSES, Answer
from snellen.ship.export import Deployed, to_onnx
from snellen.ship.latency import latency
from snellen.ship.parity import parity


def ship(
    model: torch.nn.Module,
    *,
    folder: Path,
    size: int,
    classes: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    images: np.ndarray,
    about: Mapping[str, Any],
    tolerance: float = 1e-3,
    seconds: float = 4.0,
    answer: Answer = CLASSES,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write `folder/model.onnx` and return (the artifact, torch's latency).

    The artifact is {"format", "path", "bytes", "latency_ms", "parity", "ok"}; `ok` where no number of the answer to the
    `images` (float32 [n, 3, size, size] in 0..1, rows of the catalog) differs by more than `tolerance`; where the sides are free,
    to cut ones too. `seconds` bounds the timing. Raises SnellenError where the export fails.
    """
    path = to_onnx(
        model,
        size=size,
        classes=classes,
        mean=mean,
        std=std,
        path=Path(folder) / "model.onnx",
        about=about,
        answer=answer,
    )
    deployed = Deployed(model, mean=mean, std=std, answer=answer)
    same = max((parity(deployed, path, given, same=answer.same) for given in _given(images, answer)), key=_worst)
    eager, exported = latency(deployed, path, size=size, seconds=seconds)
    artifact = {
        "format": "onnx",
        "path": path.as_posix(),
        "bytes": path.stat().st_size,
        "latency_ms": exported,
        "parity": {**same, "tolerance": tolerance},
        "ok": same["max_abs"] <= tolerance,
    }
    return artifact, eager


def _given(images: np.ndarray, answer: Answer) -> list[np.ndarray]:
    """The images, and cut to other sides where the file takes any."""
    height, width = (max(1, length * share // 16) for length, share in zip(images.shape[2:], (11, 15), strict=True))
    return [images, np.ascontiguousarray(images[:, :, :height, :width])] if answer.free else [images]


def _worst(found: Mapping[str, Any]) -> float:
    return float(found["max_abs"])
