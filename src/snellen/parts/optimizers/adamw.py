"""AdamW (SPEC L2; Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization"), torch's fused step."""

from __future__ import annotations

from typing import Any

import torch


def adamw(
    params: list[dict[str, Any]],
    lr: float,
    weight_decay: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups; a group's own `weight_decay` wins."""
    return torch.optim.AdamW(params, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), eps=eps, fused=True)
