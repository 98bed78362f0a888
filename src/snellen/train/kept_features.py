"""What a frozen network gave for images as they are, kept in one array for all who ask about some of these images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from snellen import store
from snellen.train.features import digest, trunk_digest
from snellen.train.machine import Setting


def origin(model: nn.Module, setting: Setting, *, name: str, stored: int, size: int, trunk: str = "") -> dict[str, Any]:
    """What features of images as they are follow from, beside the images: the trunk's weights, the pixels, the arithmetic.
    `trunk`: the digest of these very weights, where it is known."""
    return {
        "trunk": trunk or trunk_digest(model), "model": name, "stored": stored, "size": size, "augment": "plain",
        "precision": setting.precision, "layout": setting.layout, "threads": torch.get_num_threads(),
    }  # fmt: skip


def keep(folder: Path, about: Mapping[str, Any], ids: Sequence[str], values: np.ndarray) -> None:
    """Write the rows [n, …] of these samples under what they follow from."""
    path = _place(folder, about)
    index = path.with_suffix(".json")
    # Away first and back last: without it the array is not looked at, and ids of an older one must not name this one's rows.
    index.unlink(missing_ok=True)
    store.write_array(path, values.shape, values.dtype, iter([values]))
    store.write_json(index, {"ids": list(ids)})


def kept(folder: Path, about: Mapping[str, Any], ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray] | None:
    """The array [m, …], memory-mapped, and the row of each of these samples in it [n]; None where one of them is not there."""
    path = _place(folder, about)
    if not (path.is_file() and path.with_suffix(".json").is_file()):
        return None
    known = {sample: row for row, sample in enumerate(store.read_json(path.with_suffix(".json"))["ids"])}
    if not known.keys() >= set(ids):
        return None
    array: np.ndarray = np.load(path, mmap_mode="r")
    if len(array) != len(known):
        return None
    return array, np.asarray([known[sample] for sample in ids], dtype=np.int64)


def _place(folder: Path, about: Mapping[str, Any]) -> Path:
    return Path(folder) / f"all-{digest(about)}.npy"
