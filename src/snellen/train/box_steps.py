"""Arithmetic of boxes [n, 4] (x0, y0, x1, y1) as tensors: overlap, and the way from one box to another."""

from __future__ import annotations

import torch
from torch import Tensor

# Changes of size beyond this factor (e to the power of it) are not asked of one step.
STRONGEST = 1.5


def centres(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Middle [n, 2] and sides [n, 2], at least one pixel."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp_min(1.0)


def from_centres(middle: Tensor, sides: Tensor) -> Tensor:
    """The boxes [n, 4] of these."""
    return torch.cat([middle - sides / 2, middle + sides / 2], dim=1)


def way(start: Tensor, end: Tensor) -> Tensor:
    """From each box to another [n, 4]: shift in sides of the first, log ratio of sides (Girshick et al. 2014, arXiv:1311.2524, C)."""
    (one, one_sides), (other, other_sides) = centres(start), centres(end)
    return torch.cat([(other - one) / one_sides, (other_sides / one_sides).log()], dim=1)


def follow(start: Tensor, step: Tensor, size: float) -> Tensor:
    """The boxes at the end of the way, clipped to the image of `size` pixels."""
    middle, sides = centres(start)
    moved = from_centres(middle + step[:, :2] * sides, sides * step[:, 2:].clamp(-STRONGEST, STRONGEST).exp())
    return moved.clamp(0, size)


def mirrored(boxes: Tensor, size: float) -> Tensor:
    """The boxes in the mirror image of `size` pixels."""
    return torch.stack([size - boxes[:, 2], boxes[:, 1], size - boxes[:, 0], boxes[:, 3]], dim=1)


def widened(boxes: Tensor, factor: float) -> Tensor:
    """The boxes with what is around them."""
    middle, sides = centres(boxes)
    return from_centres(middle, sides * factor)
