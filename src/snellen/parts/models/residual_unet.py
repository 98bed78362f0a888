"""Residual U-Net for denoising (SPEC T1; Zhang et al. 2021, "Plug-and-Play Image Restoration", arXiv:2008.13751, fig. 1)."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from snellen.parts._shrink import STEP, Shrink
from snellen.parts.models._restorer import Residual, Restorer


def residual_unet(
    *, channels: int = 32, levels: int = 2, blocks: int = 1, unshuffle: int = 2, start: float = 0.0
) -> nn.Module:
    """Build the network from noise: images [n, 3, h, w] in 0..1 → the same shape.

    A U-Net of residual blocks without normalisation, whose skips are added, on pixels that are first folded into
    channels by `unshuffle` (Zhang et al. 2018, FFDNet, arXiv:1710.04026: as good and several times faster). What it
    computes is added to the input (Zhang et al. 2017, DnCNN, arXiv:1608.03981), and begins at zero. `levels` halvings,
    each with twice the channels (at most four times `channels`); `blocks` at every level on either side. Any h and w: the edge is repeated to a multiple
    and cut off.

    `start`: in grey levels of 255, the strength of the DCT filter that it begins as instead: it then sees the input and what the
    filter makes of it, and adds to the latter; what the filter takes for noise is trained with it. 0: none. Raises ValueError for sizes below 1.
    """
    if min(channels, blocks, unshuffle) < 1 or min(levels, start) < 0:
        raise ValueError(
            f"residual_unet with channels {channels}, levels {levels}, blocks {blocks}, unshuffle {unshuffle}, start {start}: "
            "expected 1 or more (levels, start: 0 or more)"
        )
    return _ResidualUnet(channels, levels, blocks, unshuffle, start)


class _ResidualUnet(Restorer):
    def __init__(self, channels: int, levels: int, blocks: int, unshuffle: int, start: float) -> None:
        super().__init__()
        widths = [channels * min(2**level, 4) for level in range(levels + 1)]
        pixels = 3 * unshuffle * unshuffle
        self.unshuffle, cell = unshuffle, unshuffle * 2**levels
        self.filter = Shrink(start, learnt=True) if start else None
        self.multiple = math.lcm(cell, STEP) if start else cell
        self.reach = _reach(levels, blocks, unshuffle) + (Shrink.reach if start else 0)
        self.first = nn.Conv2d(2 * pixels if start else pixels, channels, 3, padding=1)
        self.down = nn.ModuleList(_Down(*pair, blocks) for pair in itertools.pairwise(widths))
        self.bottom = nn.Sequential(*(Residual(widths[-1]) for _ in range(blocks)))
        self.up = nn.ModuleList(_Up(*pair, blocks) for pair in itertools.pairwise(widths))
        self.last = nn.Conv2d(channels, pixels, 3, padding=1)
        maps = [("first", unshuffle), *((f"down.{level}", unshuffle * 2 ** (level + 1)) for level in range(levels))]
        self.feature_info = [
            {"module": name, "num_chs": width, "reduction": reduction}
            for (name, reduction), width in zip(
                [*maps, ("bottom", cell)], [channels, *widths[1:], widths[-1]], strict=True
            )
        ]
        self.begin_at_the_input()

    def forward_features(self, x: Tensor) -> Tensor:
        """Features [n, channels, h / unshuffle, w / unshuffle] of [n, 3 or 6, h, w]; h and w are multiples of `multiple`."""
        now: Tensor = self.first(F.pixel_unshuffle(x - 0.5, self.unshuffle))
        kept = []
        for down in self.down:
            full, now = down(now)
            kept.append(full)
        now = self.bottom(now)
        for up, skip in zip(reversed(self.up), reversed(kept), strict=True):
            now = up(now, skip)
        return now

    def restored(self, x: Tensor) -> Tensor:
        """The image without its noise."""
        height, width = x.shape[2:]
        padded = F.pad(x, (0, -width % self.multiple, 0, -height % self.multiple), mode="replicate")
        plain = padded if self.filter is None else self.filter(padded)
        seen = padded if self.filter is None else torch.cat([padded, plain], dim=1)
        change = F.pixel_shuffle(self.last(self.forward_features(seen)), self.unshuffle)
        return (plain + change)[:, :, :height, :width]


class _Down(nn.Module):
    """Blocks, and a halving."""

    def __init__(self, width: int, deeper: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        self.reduce = nn.Conv2d(width, deeper, 2, stride=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps at this level, for the skip, and at the next."""
        full = self.blocks(x)
        return full, self.reduce(full)


class _Up(nn.Module):
    """A doubling, the skip added, and blocks."""

    def __init__(self, width: int, deeper: int, blocks: int) -> None:
        super().__init__()
        self.enlarge = nn.Conv2d(deeper, 4 * width, 1)
        self.blocks = nn.Sequential(*(Residual(width) for _ in range(blocks)))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Maps at this level."""
        found: Tensor = self.blocks(F.pixel_shuffle(self.enlarge(x), 2) + skip)
        return found


def _reach(levels: int, blocks: int, unshuffle: int) -> int:
    """Input pixels: every 3 × 3 convolution reaches one cell of its level farther, and folding loses one cell."""
    convolutions: int = sum(2 * 2 * blocks * unshuffle * 2**level for level in range(levels))
    cell: int = unshuffle * 2**levels
    return 2 * unshuffle + convolutions + 2 * blocks * cell + cell
