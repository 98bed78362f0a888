"""Matrices with one parameter per sample: geometry [n, 3, 3] from output to input in -1..1, colour [n, 3, 4] on RGB."""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)


def still(n: int) -> Tensor:
    """The geometry that moves nothing."""
    return torch.eye(3).repeat(n, 1, 1)


def sheared(amount: Tensor, axis: int, *, pivot: float = 0.0) -> Tensor:
    """Lines along `axis` (0: x, 1: y) slide in proportion to their distance from the one at `pivot`."""
    matrix = still(len(amount))
    matrix[:, axis, 1 - axis] = amount
    matrix[:, axis, 2] = -pivot * amount
    return matrix


def shifted(share: Tensor, axis: int) -> Tensor:
    """The image moves by a share of its side towards +axis."""
    matrix = still(len(share))
    # A share of the side is twice as much in coordinates that run from -1 to 1.
    matrix[:, axis, 2] = -2 * share
    return matrix


def turned(radians: Tensor) -> Tensor:
    """Rotation about the centre, counter-clockwise as seen."""
    matrix = still(len(radians))
    matrix[:, 0, 0], matrix[:, 0, 1] = radians.cos(), -radians.sin()
    matrix[:, 1, 0], matrix[:, 1, 1] = radians.sin(), radians.cos()
    return matrix


def plain(n: int) -> Tensor:
    """The colour matrix that changes nothing."""
    return torch.eye(3, 4).repeat(n, 1, 1)


def brightened(factor: Tensor) -> Tensor:
    """Pixels times the factor."""
    return plain(len(factor)) * factor[:, None, None]


def saturated(factor: Tensor) -> Tensor:
    """0 is grey, 1 changes nothing, more is more colourful."""
    grey = torch.zeros(3, 4)
    grey[:, :3] = torch.tensor(LUMA)
    return plain(len(factor)) * factor[:, None, None] + grey * (1 - factor)[:, None, None]


def inverted(chosen: Tensor) -> Tensor:
    """The negative of the chosen samples [n] (bool)."""
    negative = -torch.eye(3, 4)
    negative[:, 3] = 1.0
    return torch.where(chosen[:, None, None], negative, plain(len(chosen)))
