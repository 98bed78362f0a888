"""Focal loss: easy samples weigh less (SPEC L1; Lin et al. 2017, "Focal Loss for Dense Object Detection", eq. 4)."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

from snellen.parts.losses._powers import SURE

# Of labels, of whole images or of their pixels.
TASKS = ("classification", "segmentation")


def focal(*, gamma: float = 2.0, smoothing: float = 0.0) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(logits [n, k], target [n] int64 or [n, k] shares) -> [n]; the softmax form over k classes."""

    def loss(output: Tensor, target: Tensor) -> Tensor:
        shares = F.one_hot(target, output.shape[1]).to(output.dtype) if target.ndim == 1 else target
        shares = shares * (1 - smoothing) + smoothing / output.shape[1]
        logs = F.log_softmax(output, dim=1)
        return -(shares * (1 - logs.exp()).clamp(min=SURE) ** gamma * logs).sum(dim=1)

    return loss
