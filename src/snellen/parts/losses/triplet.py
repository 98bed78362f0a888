"""Triplet loss with semi-hard mining beside cross-entropy (SPEC L1; Schroff et al. 2015, "FaceNet: A Unified Embedding for
Face Recognition and Clustering", arXiv:1503.03832, §3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snellen.parts.losses._heads import Joint

TASKS = ("classification",)
# "batch": what one sample costs depends on the others of its (micro-)batch.
NEEDS = ("head", "counts", "batch")
# Its features are meant to be compared: retrieval is measured beside the classes.
EMBEDS = True
REFUSES = (
    ("augment.mixup", 0.0, "a triplet is mined by class, and a mixed image has two"),
    ("augment.cutmix", 0.0, "a triplet is mined by class, and a mixed image has two"),
)


def triplet(
    *, margin: float = 0.2, weight: float = 1.0, smoothing: float = 0.1
) -> Callable[[Sequence[int]], Callable[[Tensor, Tensor], Tensor]]:
    """Return fit(images of every class [k]) -> loss(output [n, k + d] of the head, target [n] int64) -> [n].

    Cross-entropy + weight × triplet loss of unit-length features, squared Euclidean distance. For every pair of a class the
    nearest negative that is farther than the positive is taken, the farthest negative where there is none; a sample's loss
    is the mean over its positives, 0 where its batch holds none: let a batch hold several images of a class (train.batch,
    train.sampling: balanced). Time and memory grow with the cube of the batch: 256 images take 16 million comparisons.
    """

    def fit(counts: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
        classes = len(counts)

        def loss(output: Tensor, target: Tensor) -> Tensor:
            each = F.cross_entropy(output[:, :classes], target, reduction="none", label_smoothing=smoothing)
            return each + weight * mined(F.normalize(output[:, classes:]), target, margin)

        return loss

    return fit


def mined(points: Tensor, target: Tensor, margin: float) -> Tensor:
    """Triplet loss [n] of unit-length points [n, d] with semi-hard negatives."""
    apart = (2 - 2 * points @ points.T).clamp(min=0)
    same = target[:, None] == target
    positive = same & ~torch.eye(len(target), dtype=torch.bool, device=same.device)
    with torch.no_grad():
        negative = _negatives(apart, same)
    there = positive & ~same.all(dim=1, keepdim=True)
    gap = (apart - apart.gather(1, negative) + margin).clamp(min=0)
    return (gap * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)


def _negatives(apart: Tensor, same: Tensor) -> Tensor:
    """[n, n]: for anchor i and positive j the semi-hard negative, else the farthest negative."""
    farther = (apart[:, None, :] > apart[:, :, None]) & ~same[:, None, :]
    nearest = apart[:, None, :].masked_fill(~farther, torch.inf).argmin(dim=2)
    farthest = apart.masked_fill(same, -torch.inf).argmax(dim=1)
    return torch.where(farther.any(dim=2), nearest, farthest[:, None])


def head(linear: nn.Linear) -> nn.Module:
    """The classifier that shows its features."""
    return Joint(linear)
