"""Per-sample noise: each sample reads one long table of noise from a place of its own.

So neighbours in the batch do not matter, and no sample waits for a generator (the table as in Salimans et al. 2017,
arXiv:1703.03864, section 2.1).
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

# Long enough that two samples of a batch seldom see the same stretch (4 MB).
SHORTEST = 1 << 20


def streams(u: Tensor, shape: tuple[int, ...], *, normal: bool) -> Tensor:
    """Noise [n, *shape], standard normal or uniform; row i depends on u[i] (in 0..1) and the shape only."""
    count = math.prod(shape)
    table = _table(max(SHORTEST, 1 << (2 * count - 1).bit_length()), normal)
    starts = (u.double() * (len(table) - count)).long().tolist()
    return torch.stack([table[start : start + count] for start in starts]).view(len(u), *shape)


@cache
def _table(length: int, normal: bool) -> Tensor:
    generator = torch.Generator().manual_seed(length)
    return torch.randn(length, generator=generator) if normal else torch.rand(length, generator=generator)
