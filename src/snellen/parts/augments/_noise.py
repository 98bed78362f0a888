"""Per-sample noise: each sample's stream starts from its own draw, so that neighbours in the batch do not matter."""

from __future__ import annotations

import torch
from torch import Tensor


def streams(u: Tensor, shape: tuple[int, ...], *, normal: bool) -> Tensor:
    """Noise [n, *shape], standard normal or uniform, one generator per row of u [n]."""
    rows = []
    for draw in u.tolist():
        generator = torch.Generator().manual_seed(int(draw * 2**24))
        rows.append(torch.randn(shape, generator=generator) if normal else torch.rand(shape, generator=generator))
    return torch.stack(rows)
