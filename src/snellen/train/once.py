"""Once: one pass of the frozen network over images as they are, which the audit and the training share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from snellen.train.features import embed
from snellen.train.folded import folded
from snellen.train.job import normal_of
from snellen.train.kept_features import keep, origin
from snellen.train.machine import Setting
from snellen.train.source import Samples


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where what a pass gives is kept for the training behind it: the folder of the cache, and the model's name in the recipe."""

    cache: Path
    name: str


def features(
    model: nn.Module, samples: Samples, setting: Setting, *, size: int, keeping: Keeping | None = None
) -> np.ndarray:
    """Pre-classifier features [n, d] float32 of the samples at `size` pixels, without augmentation; kept where that is said."""
    mean, std = normal_of(model)
    trial = setting.place(next(samples.take(np.arange(min(2, len(samples)))).plain(size, mean, std)))
    found = embed(folded(model, trial), samples.plain(size, mean, std), setting)
    if keeping is not None:
        about = origin(model, setting, name=keeping.name, stored=samples.pixels.size, size=size)
        keep(keeping.cache / "features", about, samples.ids, found)
    return found
