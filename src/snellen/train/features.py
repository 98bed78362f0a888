"""The frozen trunk computed once: pre-classifier features of augmented views, kept on disk and shared by runs."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snellen import store
from snellen.train.machine import Setting


class Head(nn.Module):
    """The classifier of a timm model on its pre-classifier features, with dropout in front as in the model."""

    # The rate is told: where a model keeps its own differs from family to family.
    def __init__(self, model: nn.Module, *, dropout: float) -> None:
        super().__init__()
        self.classifier: nn.Module = model.get_classifier()  # type: ignore[operator]
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        """[n, d] -> logits [n, k]."""
        logits: Tensor = self.classifier(self.dropout(features))
        return logits


def embed(model: nn.Module, batches: Iterable[Tensor], setting: Setting) -> np.ndarray:
    """Pre-classifier features [n, d] float32 in eval mode."""
    model.eval()
    found = []
    with torch.inference_mode():
        for images in batches:  # Made outside of autocast: what is drawn and warped must not be rounded to 8 bits.
            with setting.autocast():
                trunk = model.forward_features(setting.place(images))  # type: ignore[operator]
                found.append(model.forward_head(trunk, pre_logits=True).float().cpu().numpy())  # type: ignore[operator]
    return np.concatenate(found)


def trunk_digest(model: nn.Module) -> str:
    """A hash of every weight and statistic but the classifier's."""
    head = {id(p) for p in model.get_classifier().parameters()}  # type: ignore[operator]
    named = dict(model.named_parameters())
    total = 0
    for name, tensor in model.state_dict().items():
        if id(named.get(name)) not in head:
            total = zlib.crc32(
                tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes(), total
            )
    return f"{total:08x}"


def digest(parts: Mapping[str, Any]) -> str:
    """A name for a cached array: the hash of everything that it depends on."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=12).hexdigest()


def cached(folder: Path, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The array of that name, memory-mapped; made and stored first where it is not there."""
    path = folder / f"{name}.npy"
    if not path.is_file():
        made = make()
        store.write_array(path, made.shape, made.dtype, iter([made]))
    array: np.ndarray = np.load(path, mmap_mode="r")
    return array
