"""Structural loss: 1 - SSIM beside the distance of pixels (SPEC L1, T4; Zhao et al. 2017, "Loss Functions for Image Restoration
with Neural Networks", arXiv:1511.08861, §3.4: the mix beats either alone, by PSNR too)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.losses._images import difference, per_sample

TASKS = ("super_resolution", "denoising")
TAKES = "images"
# Wang et al. 2004: a Gaussian window of 11 pixels and sd 1.5, constants for values in 0..1; brightness of BT.601.
WINDOW, SD = 11, 1.5
STABLE = (0.01**2, 0.03**2)
BRIGHTNESS = (0.299, 0.587, 0.114)


def structural(*, weight: float = 0.1, pixel: float = 1.0, epsilon: float = 1e-3) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(output [n, 3, h, w], target of the same shape, both 0..1) -> [n]: pixel × Charbonnier + weight × (1 - SSIM).

    SSIM is of the brightness, as it is scored, and a mean over the windows that lie within the image. Raises ValueError where shapes differ, or
    an image is smaller than SSIM's window of 11 pixels.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        apart = per_sample((difference(output, target).square() + epsilon**2).sqrt() - epsilon)
        # Differences of squares would drown in half precision.
        with torch.autocast(output.device.type, enabled=False):
            return pixel * apart + weight * (1 - _similarity(_brightness(output), _brightness(target)))

    return loss


def _brightness(image: Tensor) -> Tensor:
    if image.ndim != 4 or image.shape[1] != 3 or min(image.shape[2:]) < WINDOW:
        raise ValueError(
            f"images have the shape {tuple(image.shape)}; expected [n, 3, h, w] with h and w of at least {WINDOW}: SSIM's window"
        )
    return torch.einsum("nchw,c->nhw", image.float(), image.new_tensor(BRIGHTNESS, dtype=torch.float32))


def _similarity(first: Tensor, second: Tensor) -> Tensor:
    """SSIM of planes [n, h, w], [n]."""
    rows, columns = (_blurring(length, first) for length in first.shape[1:])
    maps = torch.stack([first, second, first * first, second * second, first * second])
    # A convolution with one channel is several times slower than two products with banded matrices.
    mean, other, squares, others, products = rows @ maps @ columns.T
    variances = squares - mean**2 + others - other**2
    top = (2 * mean * other + STABLE[0]) * (2 * (products - mean * other) + STABLE[1])
    return per_sample(top / ((mean**2 + other**2 + STABLE[0]) * (variances + STABLE[1])))


def _blurring(length: int, like: Tensor) -> Tensor:
    """Matrix [length - 10, length] that blurs along one side."""
    near = torch.arange(WINDOW, device=like.device) - WINDOW // 2
    weights = torch.exp(-0.5 * (near / SD) ** 2)
    places = torch.arange(length - WINDOW + 1, device=like.device)[:, None] + torch.arange(WINDOW, device=like.device)
    empty = like.new_zeros(length - WINDOW + 1, length)
    return empty.scatter(1, places, (weights / weights.sum()).expand_as(places).contiguous())
