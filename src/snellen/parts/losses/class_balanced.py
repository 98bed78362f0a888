"""Class-balanced cross-entropy or focal loss: a class weighs by its effective number of images (SPEC L1, T6; Cui et al.
2019, "Class-Balanced Loss Based on Effective Number of Samples", arXiv:1901.05555, eq. 3 and 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from snellen.parts.losses._powers import SURE

Loss = Callable[[Tensor, Tensor], Tensor]

TASKS = ("classification",)
NEEDS = ("counts",)
REFUSES = (
    ("train.sampling", "uniform", "balanced sampling already shows every class equally often, and weights on top would over-correct"),
)  # fmt: skip


def class_balanced(
    *, beta: float = 0.999, gamma: float = 0.0, smoothing: float = 0.1, weights: tuple[float, ...] = ()
) -> Callable[[Sequence[int]], Loss]:
    """Return fit(images of every class [k]) -> loss(logits [n, k], target [n] int64 or [n, k] shares) -> [n].

    A class of m images weighs (1 - beta) / (1 - beta^m); the weights' mean over the classes is 1. `beta` 0 weighs all
    alike, towards 1 it weighs by 1 / m. `gamma` above 0 makes it a focal loss. `weights` [k], in the order of the class
    names, are used instead where they are given. Raises ValueError for settings outside of that.
    """
    if not (0 <= beta < 1 and gamma >= 0 and 0 <= smoothing < 1):
        raise ValueError(f"class_balanced has beta {beta}, gamma {gamma}, smoothing {smoothing}; expected 0 <= beta < 1, gamma >= 0, 0 <= smoothing < 1")  # fmt: skip

    def fit(counts: Sequence[int]) -> Loss:
        balance = _given(weights, len(counts)) if weights else effective(counts, beta)

        def loss(output: Tensor, target: Tensor) -> Tensor:
            shares = F.one_hot(target, output.shape[1]).to(output.dtype) if target.ndim == 1 else target
            shares = (shares * (1 - smoothing) + smoothing / output.shape[1]) * balance.to(output)
            logs = F.log_softmax(output, dim=1)
            return -(shares * (1 - logs.exp()).clamp(min=SURE) ** gamma * logs).sum(dim=1)

        return loss

    return fit


def effective(counts: Sequence[int], beta: float) -> Tensor:
    """Weights [k] of classes with so many images, of mean 1."""
    found = torch.tensor([(1 - beta) / (1 - beta ** max(int(count), 1)) for count in counts])
    return found * len(found) / found.sum()


def _given(weights: Sequence[float], classes: int) -> Tensor:
    if len(weights) != classes or min(weights) < 0 or not sum(weights):
        raise ValueError(
            f"class_balanced has {len(weights)} weights; expected {classes}, one for each class, none below 0"
        )
    return torch.tensor(weights, dtype=torch.float32)
