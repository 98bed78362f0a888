"""SGD with Nesterov momentum (SPEC L2, momentum 0.9)."""

from __future__ import annotations

from typing import Any

import torch


def sgd(
    params: list[dict[str, Any]], lr: float, weight_decay: float, *, momentum: float = 0.9, nesterov: bool = True
) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups; a group's own `weight_decay` wins."""
    return torch.optim.SGD(params, lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, fused=True)
