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
    trust_clip: bool = True,
) -> torch.optim.Optimizer:
    """Return the optimiser over parameter groups; a group's own `weight_decay` wins.

    Each decaying layer steps by `trust` × its weights' norm ÷ its gradient's, and by no more than lr (LARC: NVIDIA's apex):
    a new head, whose weights are zero, has no norm to go by. With `trust_clip` off that factor is multiplied by lr, as in
    the paper, for trainings from noise with rates of 1 and more. Groups that do not decay take plain SGD steps.
    """
    return Lars(
        params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov, trust_coeff=trust,
        trust_clip=trust_clip,
    )  # fmt: skip
