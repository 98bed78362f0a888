"""RMSprop (SPEC L2; Tieleman & Hinton 2012, lecture 6.5)."""

from __future__ import annotations

from typing import Any

import torch


def rmsprop(
    params: list[dict[str, Any]], lr: float, weight_decay: float, *, alpha: float = 0.99, momentum: float = 0.9
) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups; a group's own `weight_decay` wins."""
    return torch.optim.RMSprop(params, lr=lr, weight_decay=weight_decay, alpha=alpha, momentum=momentum)
