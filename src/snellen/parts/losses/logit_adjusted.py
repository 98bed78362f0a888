"""Logit-adjusted cross-entropy: the frequency of the classes is added in training, so that without it they count alike (SPEC
T6; Menon et al. 2021, "Long-tail learning via logit adjustment", arXiv:2007.07314, eq. 10)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]

TASKS = ("classification",)
NEEDS = ("counts",)
REFUSES = (
    ("train.sampling", "uniform", "balanced sampling already shows every class equally often, and the adjustment on top would over-correct"),
)  # fmt: skip


def logit_adjusted(*, tau: float = 1.0, smoothing: float = 0.1) -> Callable[[Sequence[int]], Loss]:
    """Return fit(images of every class [k]) -> loss(logits [n, k], target [n] int64 or [n, k] shares) -> [n].

    `tau`: how much of the logarithm of the frequency is added; 0 is plain cross-entropy. Raises ValueError for settings
    outside of that.
    """
    if not (tau >= 0 and 0 <= smoothing < 1):
        raise ValueError(f"logit_adjusted has tau {tau}, smoothing {smoothing}; expected tau >= 0, 0 <= smoothing < 1")

    def fit(counts: Sequence[int]) -> Loss:
        known = torch.tensor([max(int(count), 1) for count in counts], dtype=torch.float64)
        shift = (tau * (known / known.sum()).log()).float()

        def loss(output: Tensor, target: Tensor) -> Tensor:
            return F.cross_entropy(output + shift.to(output), target, reduction="none", label_smoothing=smoothing)

        return loss

    return fit
