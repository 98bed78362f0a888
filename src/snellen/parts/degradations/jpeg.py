"""JPEG compression by Pillow, at a quality that is drawn for every image (Zhang et al. 2017, DnCNN, arXiv:1608.03981, §4.1)."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

DRAWS = 1
BEFORE_REDUCTION = False


def jpeg(*, low: int = 20, high: int = 80) -> Callable[[Tensor, Tensor], Tensor]:
    """Return f(images [n, 3, h, w] in 0..1, uniforms [n, 1]) -> the same shape; quality uniform in [low, high] (1 to 95)."""

    def degrade(images: Tensor, u: Tensor) -> Tensor:
        qualities = (low + (high - low) * u[:, 0]).round().int().tolist()
        return torch.stack([_compressed(image, quality) for image, quality in zip(images, qualities, strict=True)])

    return degrade


def _compressed(image: Tensor, quality: int) -> Tensor:
    pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255
