"""What a task shows of itself to the law of tasks (`snellen.testing.check_task`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from snellen.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Example:
    """A model's `output` [n, ...] that answers `target` [n, ...] perfectly; `labels` [n] int64 as `target()` gives them."""

    recipe: Recipe
    output: Tensor
    target: Tensor
    labels: np.ndarray
    classes: tuple[str, ...]
