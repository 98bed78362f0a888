"""Lovász-softmax: a smooth extension of 1 - IoU (SPEC L1; Berman, Rannen Triki & Blaschko 2018, arXiv:1705.08790, eq. 8-9)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.losses._pixels import hot, labelled, mean_present

TAKES = "pixels"


def lovasz() -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(logits [n, k, h, w], target [n, h, w] class numbers, 255 not labelled) -> [n] in 0..1.

    Each image on its own, over the classes that it holds. Sorts every image's pixels: costs more than Dice.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        wanted = hot(target, output.shape[1])
        # What nobody labelled has no error: it comes last and weighs nothing.
        errors = ((wanted - output.softmax(dim=1)).abs() * labelled(target)).flatten(2)
        errors, order = errors.sort(dim=2, descending=True)
        weights = _gradient(wanted.flatten(2).gather(2, order))
        return mean_present((errors * weights).sum(dim=2), wanted.sum(dim=(2, 3)))

    return loss


@torch.no_grad()
def _gradient(wanted: Tensor) -> Tensor:
    """Gradient of the extension with respect to sorted errors, from what is wanted there, [n, k, pixels]."""
    total = wanted.sum(dim=2, keepdim=True)
    both = total - wanted.cumsum(dim=2)
    either = total + (1 - wanted).cumsum(dim=2)
    jaccard = 1 - both / either.clamp(min=1)
    return torch.cat([jaccard[..., :1], jaccard[..., 1:] - jaccard[..., :-1]], dim=2)
