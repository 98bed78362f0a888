"""Generalised cross-entropy: between cross-entropy (q towards 0) and the mean absolute error (q = 1), which forgives wrong
labels (SPEC L1; Zhang & Sabuncu 2018, "Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels",
arXiv:1805.07836, eq. 6)."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

TASKS = ("classification",)


def generalised_cross_entropy(*, q: float = 0.7) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(logits [n, k], target [n] int64 or [n, k] shares) -> [n]: (1 - p^q) / q of the right class. Raises ValueError
    for q outside of 0 < q <= 1."""
    if not 0 < q <= 1:
        raise ValueError(f"generalised_cross_entropy has q {q}, expected 0 < q <= 1")

    def loss(output: Tensor, target: Tensor) -> Tensor:
        shares = F.one_hot(target, output.shape[1]).to(output.dtype) if target.ndim == 1 else target
        # By way of the logarithm: the slope of p^q at p = 0 has no bound.
        return (shares * (1 - (q * F.log_softmax(output, dim=1)).exp()) / q).sum(dim=1)

    return loss
