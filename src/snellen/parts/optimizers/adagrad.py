"""Adagrad (SPEC L2; Duchi, Hazan & Singer 2011, JMLR 12, algorithm 1): every weight's rate falls with its own gradients."""

from __future__ import annotations

from typing import Any

import torch


def adagrad(
    params: list[dict[str, Any]],
    lr: float,
    weight_decay: float,
    *,
    lr_decay: float = 0.0,
    start: float = 0.0,
    eps: float = 1e-10,
) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups; a group's own `weight_decay` wins. `start`: what the sums of squares
    begin with."""
    return torch.optim.Adagrad(
        params, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=start, eps=eps
    )
