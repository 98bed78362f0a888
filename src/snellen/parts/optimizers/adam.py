"""Adam (SPEC L2; Kingma & Ba 2015, arXiv:1412.6980, algorithm 1), torch's fused step. Weight decay is added to the
gradient, as it was before AdamW: it is divided by the moments too."""

from __future__ import annotations

from typing import Any

import torch


def adam(
    params: list[dict[str, Any]],
    lr: float,
    weight_decay: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups; a group's own `weight_decay` wins."""
    return torch.optim.Adam(params, lr=lr, weight_decay=weight_decay, betas=(beta1, beta2), eps=eps, fused=True)
