"""ArcFace: an angle is added between a sample and its class, so that classes keep apart (SPEC L1: margin 0.5; Deng et al.
2019, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", arXiv:1801.07698, eq. 3)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snellen.parts.losses._heads import Cosine

TASKS = ("classification",)
NEEDS = ("head",)
# Its features are meant to be compared: retrieval is measured beside the classes.
EMBEDS = True
REFUSES = (
    ("augment.mixup", 0.0, "the margin belongs to one class, and a mixed image has two"),
    ("augment.cutmix", 0.0, "the margin belongs to one class, and a mixed image has two"),
)
# The cosine of an angle of 0 has no gradient with respect to the angle.
EDGE = 1e-6


def arcface(*, margin: float = 0.5, scale: float = 30.0) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(scaled cosines [n, k], target [n] int64) -> [n].

    The head is a scaled cosine without a bias; the margin (radians) is in the loss alone, so that evaluation and export see
    plain scaled cosines. `scale` 30 suits tens to thousands of classes, the paper's 64 its 85,000 persons; 0 as margin is a
    normalised softmax. Past an angle of pi - margin the cosine goes on falling as a line, as in the authors' code.
    """
    turn = math.cos(margin), math.sin(margin)
    last, fall = math.cos(math.pi - margin), math.sin(math.pi - margin) * margin

    def loss(output: Tensor, target: Tensor) -> Tensor:
        own = (output.gather(1, target[:, None]) / scale).clamp(-1 + EDGE, 1 - EDGE)
        moved = own * turn[0] - (1 - own**2).sqrt() * turn[1]
        moved = torch.where(own > last, moved, own - fall)
        return F.cross_entropy(output.scatter(1, target[:, None], scale * moved), target, reduction="none")

    return loss


def head(linear: nn.Linear, *, scale: float) -> nn.Module:
    """The cosine classifier."""
    return Cosine(linear, scale)
