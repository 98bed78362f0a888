"""LAMB for very large batches (SPEC L2; You et al. 2020, arXiv:1904.00962, algorithm 2), as timm has it."""

from __future__ import annotations

from typing import Any

import torch
from timm.optim.lamb import Lamb


def lamb(
    params: list[dict[str, Any]],
    lr: float,
    weight_decay: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    trust_clip: bool = False,
) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups; a group's own `weight_decay` wins.

    Groups that do not decay (norms and biases) take plain Adam steps, as in the paper's code. Rates are those of Adam
    scaled up with the batch; each layer's step is as long as its weights, so that they do not blow up.
    """
    # Gradients are clipped by `optim.clip`, before they get here; timm's own clipping would be a second one.
    return Lamb(
        params,
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        max_grad_norm=None,
        trust_clip=trust_clip,
    )
