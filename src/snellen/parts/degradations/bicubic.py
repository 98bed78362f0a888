"""Bicubic reduction, antialiased, as Pillow's and MATLAB's: the degradation that super-resolution is measured on.

Timofte et al. 2017, "NTIRE 2017 Challenge on Single Image Super-Resolution", §2.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

DRAWS = 0
BEFORE_REDUCTION = False


def bicubic(*, scale: int = 2) -> Callable[[Tensor, Tensor], Tensor]:
    """Return f(images [n, 3, h, w], uniforms [n, 0]) -> [n, 3, h / scale, w / scale], clipped to 0..1.

    Raises ValueError where h or w is no multiple of the scale: pixels would no longer lie over each other.
    """

    def degrade(images: Tensor, u: Tensor) -> Tensor:
        height, width = images.shape[2:]
        if height % scale or width % scale:
            raise ValueError(f"images of {height} x {width} cannot be reduced {scale} times; cut them to multiples")
        size = (height // scale, width // scale)
        return F.interpolate(images, size=size, mode="bicubic", antialias=True, align_corners=False).clamp_(0, 1)

    return degrade
