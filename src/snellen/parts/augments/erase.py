"""Random erasing: a grey rectangle hides a part (Zhong et al. 2020, "Random Erasing Data Augmentation")."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

KIND = "pixels"
DRAWS = 4


def erase(*, share: float = 0.2, chance: float = 0.25) -> Callable[[Tensor], Callable[[Tensor], Tensor]]:
    """Return f(uniforms [n, 4]) -> op(images [n, 3, h, w]); a square of up to `share` of the area, with `chance`."""

    def pixels(u: Tensor) -> Callable[[Tensor], Tensor]:
        def op(images: Tensor) -> Tensor:
            height, width = images.shape[2:]
            side = (u[:, 1] * share).sqrt()
            top, left = u[:, 2] * (1 - side), u[:, 3] * (1 - side)
            rows = (torch.arange(height) + 0.5)[None, :, None] / height
            columns = (torch.arange(width) + 0.5)[None, None, :] / width
            inside = (rows >= top[:, None, None]) & (rows < (top + side)[:, None, None])
            inside = inside & (columns >= left[:, None, None]) & (columns < (left + side)[:, None, None])
            hit = inside & (u[:, 0] < chance)[:, None, None]
            return torch.where(hit[:, None], torch.full_like(images, 0.5), images)

        return op

    return pixels
