"""LARS for very large batches of convolutional networks (SPEC L2; You, Gitman & Ginsburg 2017, arXiv:1708.03888,
algorithm 1), as timm has it."""

from __future__ import annotations

from typing import Any

import torch
from timm.optim.lars import Lars


def lars(
    params: list[dict[str, Any]],
    lr: float,
    weight_decay: float,
    *,
    momentum: float = 0.9,
    nesterov: bool = False,
    trust: float = 0.001,
    trust_clip: bool = False,
) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups; a group's own `weight_decay` wins.

    Each decaying layer steps by lr × `trust` × its weights' norm ÷ its gradient's, so rates are a thousand times those of
    SGD (the paper: 10 and more); groups that do not decay (norms and biases) take plain SGD steps.
    """
    return Lars(
        params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, trust_coeff=trust,
        trust_clip=trust_clip,
    )  # fmt: skip
