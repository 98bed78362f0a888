"""Pixel operations on images [n, 3, h, w] in 0..1 with one parameter per sample, as torchvision and Pillow define them.

They may write into the images that they are given. Sums are written out term by term or made of whole numbers: then a
sample has the same bits whatever its neighbours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from snellen.parts.augments._matrices import LUMA

# What the 8-bit values are multiples of when 0 to 8 bits are kept.
STEPS = torch.tensor([256.0, 128.0, 64.0, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0])


def recolour(images: Tensor, matrix: Tensor) -> Tensor:
    """Each pixel by its sample's colour matrix [n, 3, 4]."""
    red, green, blue = images.unbind(1)
    weight = matrix[..., None, None]
    mixed = [
        red * weight[:, i, 0] + green * weight[:, i, 1] + blue * weight[:, i, 2] + weight[:, i, 3] for i in range(3)
    ]
    return torch.stack(mixed, dim=1).clamp_(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Spread the values about the image's mean grey; 0 is that grey, 1 changes nothing."""
    red, green, blue = images.unbind(1)
    grey = red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]
    # Whole numbers have one sum, whatever the order in which a machine adds them.
    total = (grey * 65536).round().sum(dim=(1, 2), dtype=torch.float64)
    mean = (total / (65536 * grey[0].numel())).float()[:, None, None, None]
    return images.sub_(mean).mul_(factor[:, None, None, None]).add_(mean).clamp_(0, 1)


def sharpen(images: Tensor, factor: Tensor) -> Tensor:
    """0 smooths by the 3 × 3 kernel 1 1 1, 1 5 1, 1 1 1; 1 changes nothing; 2 sharpens. The outermost pixels stay."""
    inner = images[..., 1:-1, 1:-1]
    rows = images[..., :-2, :] + images[..., 1:-1, :] + images[..., 2:, :]
    smooth = (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + inner * 4) / 13
    result = images.clone()
    result[..., 1:-1, 1:-1] = ((inner - smooth) * factor[:, None, None, None] + smooth).clamp_(0, 1)
    return result


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest bits of the 8-bit values; 8 changes nothing, 0 is black."""
    step = STEPS[bits.long()][:, None, None, None]
    return images.mul_(255).round_().div_(step).floor_().mul_(step).div_(255)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Invert the values from the threshold on; above 1 changes nothing."""
    return torch.where(images >= threshold[:, None, None, None], 1 - images, images)


def autocontrast(images: Tensor) -> Tensor:
    """Stretch each channel to 0..1; a channel of one value stays."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    flat = low == high
    return images.sub_(torch.where(flat, 0.0, low)).div_(torch.where(flat, 1.0, high - low))


def equalize(images: Tensor) -> Tensor:
    """Each channel by Pillow's table, which makes its 256 levels equally frequent."""
    n, channels, height, width = images.shape
    levels = (images * 255).round_().long().reshape(n * channels, height * width)
    places = levels + 256 * torch.arange(n * channels)[:, None]
    counts = torch.bincount(places.flatten(), minlength=256 * n * channels).view(n * channels, 256)
    # The brightest level that occurs is left out of the count that is shared out.
    step = (height * width - counts.gather(1, levels.amax(dim=1, keepdim=True))) // 255
    below = counts.cumsum(1) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp_(0, 255)
    table = torch.where(step > 0, table, torch.arange(256))
    return (table.gather(1, levels).float() / 255).view(images.shape)


def blur(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Gaussian of sd `sigma` in pixels, cut off at `radius` pixels; the edge is mirrored."""
    weights = [torch.exp(-0.5 * (step / sigma) ** 2)[:, None, None, None] for step in range(radius + 1)]
    total = weights[0].clone()
    for weight in weights[1:]:
        total += weight * 2
    for axis in (2, 3):
        length = images.shape[axis]
        padding = (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0)
        padded = F.pad(images, padding, mode="reflect")
        images = images * weights[0]
        for step in range(1, radius + 1):
            pair = padded.narrow(axis, radius - step, length) + padded.narrow(axis, radius + step, length)
            images += pair.mul_(weights[step])
        images /= total
    return images
