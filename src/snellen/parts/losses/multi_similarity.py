"""Multi-similarity loss beside cross-entropy (SPEC L1; Wang et al. 2019, arXiv:1904.06627), by pytorch-metric-learning."""

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


def multi_similarity(
    *, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5, weight: float = 1.0, smoothing: float = 0.1
) -> Callable[[Sequence[int]], Callable[[Tensor, Tensor], Tensor]]:
    """Return fit(images of every class [k]) -> loss(output [n, k + d] of the head, target [n] int64) -> [n].

    All pairs of a batch, weighed by how far they are beyond `base` (a cosine): positives by `alpha`, negatives by `beta`.
    Raises ImportError where the library is missing.
    """
    return beside(
        "MultiSimilarityLoss", {"alpha": alpha, "beta": beta, "base": base}, weight=weight, smoothing=smoothing
    )


def head(linear: nn.Linear) -> nn.Module:
    """The classifier that shows its features."""
    return Joint(linear)
