"""Light residual network for super-resolution (SPEC T1; Lim et al. 2017, "Enhanced Deep Residual Networks", §3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from snellen.parts.models._restorer import Enlarge, Residual, Restorer


def edsr(*, scale: int = 2, channels: int = 32, blocks: int = 8) -> nn.Module:
    """Build the network from noise: images [n, 3, h, w] in 0..1 → [n, 3, scale·h, scale·w].

    Residual blocks without normalisation at the low resolution, one convolution to 3·scale² channels, and pixel-shuffle
    (Shi et al. 2016, arXiv:1609.05158). It adds to the bicubic enlargement, and begins as that: the last layer is zero.
    `channels` and `blocks`: 64 and 16 are EDSR-baseline, the defaults train on a CPU in minutes. Raises ValueError for
    a scale below 2 or sizes below 1.
    """
    if scale < 2 or channels < 1 or blocks < 1:
        raise ValueError(
            f"edsr with scale {scale}, channels {channels}, blocks {blocks}: expected scale of 2 or more, sizes of 1 or more"
        )
    return _Edsr(scale, channels, blocks)


class _Edsr(Restorer):
    def __init__(self, scale: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.scale = scale
        # One pixel for every convolution: first, two in each block, after the blocks, last.
        self.reach = 2 * blocks + 3
        self.first = nn.Conv2d(3, channels, 3, padding=1)
        self.blocks = nn.Sequential(*(Residual(channels) for _ in range(blocks)))
        self.after = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, 3 * scale * scale, 3, padding=1)
        self.enlarge = Enlarge(scale)
        self.feature_info = [
            {"module": f"blocks.{place}", "num_chs": channels, "reduction": 1} for place in range(blocks)
        ]
        self.begin_at_the_input()

    def forward_features(self, x: Tensor) -> Tensor:
        """Features [n, channels, h, w]."""
        begun = self.first(x - 0.5)
        found: Tensor = begun + self.after(self.blocks(begun))
        return found

    def restored(self, x: Tensor) -> Tensor:
        """The enlarged image."""
        plain: Tensor = self.enlarge(x)
        return plain + F.pixel_shuffle(self.last(self.forward_features(x)), self.scale)
