"""Center loss beside cross-entropy: features of a class gather around a centre that is learnt (SPEC L1; Wen et al. 2016, "A
Discriminative Feature Learning Approach for Deep Face Recognition", eq. 2 to 5)."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from snellen.parts.losses._heads import Centred

TASKS = ("classification",)
NEEDS = ("head",)
# Its features are meant to be compared: retrieval is measured beside the classes.
EMBEDS = True
REFUSES = (
    ("augment.mixup", 0.0, "a mixed image belongs to no class whose centre it could be drawn to"),
    ("augment.cutmix", 0.0, "a mixed image belongs to no class whose centre it could be drawn to"),
)


def center(*, weight: float = 0.003, rate: float = 10.0, smoothing: float = 0.1) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(output [n, 2 k] of the head, target [n] int64) -> [n]: cross-entropy + weight / 2 × squared distance.

    `weight` is the paper's lambda. The centres start at 0, are trained with the head (a head stage, where features stand
    still, brings them to the class means) and are not part of what is predicted or exported as probabilities. `rate`: how
    many times as far as the weights they move; the paper moves them by a rate of their own, 0.5.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        logits, squares = output.chunk(2, dim=1)
        near = squares.gather(1, target[:, None])[:, 0]
        return F.cross_entropy(logits, target, reduction="none", label_smoothing=smoothing) + weight / 2 * near

    return loss


def head(linear: nn.Linear, *, rate: float) -> nn.Module:
    """The classifier with centres."""
    return Centred(linear, rate)
