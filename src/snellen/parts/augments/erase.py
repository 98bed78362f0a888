"""Random erasing: a grey rectangle hides a part (Zhong et al. 2020, "Random Erasing Data Augmentation")."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.augments._changes import Operation, some

KIND = "pixels"
DRAWS = 4


def erase(*, share: float = 0.2, chance: float = 0.25) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 4]) -> op(images [n, 3, h, w]); a square of up to `share` of the area, with `chance`."""

    def pixels(u: Tensor) -> Operation:
        side = (u[:, 1] * share).sqrt()
        return some(u[:, 0] < chance, _hidden, side, u[:, 2] * (1 - side), u[:, 3] * (1 - side))

    return pixels


def _hidden(images: Tensor, side: Tensor, top: Tensor, left: Tensor) -> Tensor:
    rows, columns = (_within(start, side, length) for start, length in zip((top, left), images.shape[2:], strict=True))
    return torch.where((rows[:, :, None] & columns[:, None, :])[:, None], 0.5, images)


def _within(start: Tensor, side: Tensor, length: int) -> Tensor:
    centres = (torch.arange(length) + 0.5) / length
    return (centres >= start[:, None]) & (centres < (start + side)[:, None])
