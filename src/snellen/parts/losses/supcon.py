"""Supervised contrastive loss beside cross-entropy (Khosla et al. 2020, arXiv:2004.11362), by pytorch-metric-learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from snellen.parts.losses._heads import Joint
from snellen.parts.losses._pairs import beside

TASKS = ("classification",)
NEEDS = ("head", "counts", "batch")
# Its features are meant to be compared: retrieval is measured beside the classes.
EMBEDS = True
REFUSES = (
    ("augment.mixup", 0.0, "pairs are made by class, and a mixed image has two"),
    ("augment.cutmix", 0.0, "pairs are made by class, and a mixed image has two"),
)


def supcon(
    *, temperature: float = 0.1, weight: float = 1.0, smoothing: float = 0.1
) -> Callable[[Sequence[int]], Callable[[Tensor, Tensor], Tensor]]:
    """Return fit(images of every class [k]) -> loss(output [n, k + d] of the head, target [n] int64) -> [n].

    A sample's positives against all others of its batch. Raises ImportError where the library is missing.
    """
    return beside("SupConLoss", {"temperature": temperature}, weight=weight, smoothing=smoothing)


def head(linear: nn.Linear) -> nn.Module:
    """The classifier that shows its features."""
    return Joint(linear)
