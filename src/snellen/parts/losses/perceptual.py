"""Perceptual loss: distance of images in the features of a pretrained network, beside that of their pixels (SPEC L1, T4).

Johnson, Alahi & Fei-Fei 2016 (arXiv:1603.08155); normalised as in Zhang et al. 2018, "The Unreasonable Effectiveness of Deep
Features" (arXiv:1801.03924, eq. 1) with all weights equal. It is not LPIPS, whose weights were fitted to people's judgements.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.losses._features import feature_distance
from snellen.parts.losses._images import difference, per_sample

TASKS = ("super_resolution", "denoising")
TAKES = "images"


def perceptual(*, weight: float = 0.1, pixel: float = 1.0, epsilon: float = 1e-3) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(output [n, 3, h, w], target of the same shape, both 0..1) -> [n]: pixel × Charbonnier + weight × distance.

    The features are EfficientNet-Lite0's, of the installed package; they are not trained. Raises ValueError where shapes
    differ or these are not images, RuntimeError without the package.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        apart = difference(output, target)
        found = weight * feature_distance(output, target)
        if pixel:
            found = found + pixel * per_sample((apart.square() + epsilon**2).sqrt() - epsilon)
        return found

    return loss
