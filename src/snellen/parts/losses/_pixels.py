"""What losses over pixels share: class numbers as shares, pixels that nobody labelled, sums by class, a mean by image."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from snellen.parts.losses._powers import SURE

IGNORE = 255


def labelled(target: Tensor) -> Tensor:
    """Which pixels of target [n, h, w] somebody labelled, [n, 1, h, w] bool."""
    return (target != IGNORE)[:, None]


def hot(target: Tensor, classes: int) -> Tensor:
    """Class numbers [n, h, w] → shares [n, classes, h, w], all 0 where nobody labelled."""
    known = target != IGNORE
    shares = F.one_hot(target.where(known, 0).long(), classes).movedim(-1, 1)
    return (shares * known[:, None]).float()


def overlaps(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Soft sums over the labelled pixels of each image, [n, k] each: in both, predicted, wanted."""
    wanted = hot(target, output.shape[1])
    shares = output.softmax(dim=1) * labelled(target)
    return (shares * wanted).sum(dim=(2, 3)), shares.sum(dim=(2, 3)), wanted.sum(dim=(2, 3))


def mean_present(values: Tensor, wanted: Tensor) -> Tensor:
    """Mean of values [n, k] over the classes that an image holds, [n]; 0 for an image without a label."""
    there = (wanted > 0).to(values.dtype)
    return (values * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)


def soft_dice(output: Tensor, target: Tensor, smooth: float) -> Tensor:
    """1 - Dice of each image over the classes that it holds, [n]; `smooth` pixels are added above and below."""
    both, predicted, wanted = overlaps(output, target)
    return mean_present(1 - (2 * both + smooth) / (predicted + wanted + smooth), wanted)


def mean_pixels(values: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of values [n, h, w] over the labelled pixels of each image, weighted where `weights` [n, h, w] (1 or more) are given,
    [n]; 0 for an image without a label."""
    known = (target != IGNORE).to(values.dtype)
    if weights is not None:
        known = known * weights
    return (values * known).sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp(min=1)


def near_outline(target: Tensor, reach: int) -> Tensor:
    """Which labelled pixels of target [n, h, w] have one of another class at most `reach` rows and columns away, [n, h, w] bool."""
    known, numbers, window = target != IGNORE, target.float(), 2 * reach + 1
    # The largest and the least class number around a pixel; what nobody labelled is neither.
    most = F.max_pool2d(numbers.where(known, -1.0)[:, None], window, stride=1, padding=reach)
    least = -F.max_pool2d((-numbers).where(known, -float(IGNORE))[:, None], window, stride=1, padding=reach)
    return known & (most != least)[:, 0]


def focal_pixels(output: Tensor, target: Tensor, gamma: float, weights: Tensor | None) -> Tensor:
    """Focal loss (Lin et al. 2017, eq. 4) of every pixel, [n, h, w]; gamma 0 is cross-entropy. Not labelled: anything."""
    chosen = target.where(target != IGNORE, 0).long()
    logs = -F.cross_entropy(output, chosen, weight=None, reduction="none")
    values = -logs if gamma == 0 else -((1 - logs.exp()).clamp(min=SURE) ** gamma) * logs
    return values if weights is None else values * weights.to(values)[chosen]
