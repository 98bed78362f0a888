"""Cross-entropy with label smoothing (SPEC L1; Szegedy et al. 2016, "Rethinking the Inception Architecture", §7)."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

# Of labels, of whole images or of their pixels.
TASKS = ("classification", "segmentation")


def cross_entropy(*, smoothing: float = 0.1) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(logits [n, k], target [n] int64 or [n, k] shares) -> [n]."""

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target, reduction="none", label_smoothing=smoothing)

    return loss
