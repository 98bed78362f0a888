"""Once: one pass of the frozen network over images as they are, which the audit, the head and the last stages share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snellen.train.activations import HALF_LIMIT, room
from snellen.train.boundary import Tail, tail_of
from snellen.train.features import embed
from snellen.train.folded import folded
from snellen.train.job import normal_of
from snellen.train.kept import keep, origin
from snellen.train.machine import Setting
from snellen.train.source import Samples


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where what a pass gives is kept, for the training behind it: the folder of the cache, the model's name in the recipe,
    and whether the activations at the boundary of the last stages are wanted too."""

    cache: Path
    name: str
    last: bool = False


def features(
    model: nn.Module, samples: Samples, setting: Setting, *, size: int, keeping: Keeping | None = None
) -> np.ndarray:
    """Pre-classifier features [n, d] float32 of the samples at `size` pixels, without augmentation; kept where that is said."""
    mean, std = normal_of(model)
    trial = setting.place(next(samples.take(np.arange(min(2, len(samples)))).plain(size, mean, std)))
    quick = folded(model, trial)
    if keeping is None:
        return embed(quick, samples.plain(size, mean, std), setting)
    about = origin(model, setting, name=keeping.name, stored=samples.pixels.size, size=size)
    tail = tail_of(model, "last", trial[:1]) if keeping.last else None
    found = _with_activations(quick, samples, setting, size, keeping, tail, about) if tail is not None else None
    if found is None:
        found = embed(quick, samples.plain(size, mean, std), setting)
    keep(keeping.cache / "features", about, samples.ids, found.shape, found.dtype, iter([found]))
    return found


def _with_activations(
    model: nn.Module, samples: Samples, setting: Setting, size: int, keeping: Keeping, tail: Tail, about: dict[str, Any],
) -> np.ndarray | None:  # fmt: skip
    """The features, while the activations go to the disk in half precision; None where these do not fit there."""
    seen: list[Tensor] = []
    handle = model.get_submodule(tail.boundary).register_forward_hook(lambda module, given, output: seen.append(output))
    found: list[np.ndarray] = []

    def passes(part: Samples) -> Iterator[np.ndarray]:
        for images in part.plain(size, *normal_of(model)):
            found.append(embed(model, [images], setting))
            yield seen.pop().float().clamp(-HALF_LIMIT, HALF_LIMIT).half().cpu().numpy()

    try:
        first = next(passes(samples.take(np.arange(1))))
        shape = (len(samples), *first.shape[1:])
        if not room(keeping.cache, shape, np.float16) or bool((np.abs(first) > HALF_LIMIT / 2).any()):
            return None
        found.clear()
        told = {**about, "tail": tail.digest()}
        with torch.inference_mode():
            keep(keeping.cache / "activations", told, samples.ids, shape, np.float16, passes(samples))
    finally:
        handle.remove()
    return np.concatenate(found)
