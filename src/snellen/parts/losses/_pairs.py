"""Losses of pytorch-metric-learning beside cross-entropy, one value per sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor


def beside(
    name: str, settings: dict[str, float], *, weight: float, smoothing: float
) -> Callable[[Sequence[int]], Callable[[Tensor, Tensor], Tensor]]:
    """fit(images of every class) -> loss(output [n, k + d], target [n]) -> [n]: cross-entropy + weight × the library's loss.

    `name` is a class of `pytorch_metric_learning.losses` that gives one value per sample. Raises ImportError, with what
    to install, where the library is missing.
    """
    pairs = _library(name, settings)

    def fit(counts: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
        classes = len(counts)

        def loss(output: Tensor, target: Tensor) -> Tensor:
            each = F.cross_entropy(output[:, :classes], target, reduction="none", label_smoothing=smoothing)
            found = pairs(F.normalize(output[:, classes:]), target)["loss"]["losses"]
            # The library answers with the number 0 where a batch holds no pair.
            return each + weight * found.reshape(-1) if isinstance(found, Tensor) else each

        return loss

    return fit


def _library(name: str, settings: dict[str, float]) -> Any:
    try:
        from pytorch_metric_learning import losses, reducers
    except ImportError as error:
        raise ImportError(f"this loss needs pytorch-metric-learning ({error}); pip install 'snellen[metric]'") from None
    return getattr(losses, name)(reducer=reducers.DoNothingReducer(), **settings)
