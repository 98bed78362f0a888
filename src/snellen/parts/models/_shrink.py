"""Shrinkage of a block transform inside a network: the classical filter that it may begin as (see parts/filters/dct)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Side of a block, and the distance of neighbouring blocks: every pixel lies in (BLOCK / STEP)² of them.
BLOCK, STEP = 16, 4
# What a squared coefficient is divided by for the mean of a block, which always stays.
TINY = 1e-12
# Doublings of the gain's exponent: more is nearer to a hard threshold.
SHARPNESS = 3


class Shrink(nn.Module):
    """[n, 3, h, w] in 0..1, h and w multiples of STEP → the same shape: small coefficients of overlapping blocks vanish.

    Yu & Sapiro 2011, "DCT image denoising", IPOL 1, in colours that hardly depend on each other. `strength` in grey levels of
    255. Nothing is learnt in here. Always in full precision. `reach`: input pixels that an output pixel depends on.
    """

    reach = BLOCK - 1
    colours: Tensor
    waves: Tensor
    phases: Tensor
    scale: Tensor

    def __init__(self, strength: float) -> None:
        super().__init__()
        # Brightness, red against blue, green against both: white noise stays white.
        rows = [[1 / 3**0.5] * 3, [1 / 2**0.5, 0.0, -1 / 2**0.5], [1 / 6**0.5, -2 / 6**0.5, 1 / 6**0.5]]
        scale = torch.full((BLOCK * BLOCK, 1, 1), (255 / strength) ** 2)
        scale[0] = 1 / TINY
        self.register_buffer("colours", torch.tensor(rows), persistent=False)
        self.register_buffer("waves", _waves(), persistent=False)
        self.register_buffer("phases", _phases(_waves()), persistent=False)
        self.register_buffer("scale", scale, persistent=False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """The filtered images."""
        with torch.autocast(x.device.type, enabled=False):
            n, _, height, width = x.shape
            planes = torch.einsum("cd,ndhw->nchw", self.colours, x.float()).reshape(n * 3, 1, height, width)
            before = BLOCK - STEP
            found = self._shrunk(F.pad(planes, (before, before, before, before), mode="replicate"))
            found = found[:, :, before : before + height, before : before + width].reshape(n, 3, height, width)
            return torch.einsum("cd,nchw->ndhw", self.colours, found).clamp(0, 1)

    def _shrunk(self, planes: Tensor) -> Tensor:
        """[m, 1, h, w] → the same: columns, rows, gains, and back; what overlapping blocks say is averaged."""
        n, _, height, width = planes.shape
        down = F.conv2d(planes, self.waves[:, :, :, None], stride=(STEP, 1))
        across = F.conv2d(down.reshape(n * BLOCK, 1, -1, width), self.waves[:, :, None, :], stride=(1, STEP))
        coefficients = across.reshape(n, BLOCK * BLOCK, across.shape[2], across.shape[3])
        kept = self._gained(coefficients).reshape(across.shape)
        # A transposed convolution, as an ordinary one that gives STEP neighbouring pixels at once: several times faster.
        back = F.conv2d(kept, self.phases[:, :, None, :], padding=(0, BLOCK // STEP - 1))
        rows = back.permute(0, 2, 3, 1).reshape(n, BLOCK, -1, width)
        whole = F.conv2d(rows, self.phases[:, :, :, None], padding=(BLOCK // STEP - 1, 0))
        return whole.permute(0, 2, 1, 3).reshape(n, 1, height, width) / (BLOCK // STEP) ** 2

    def _gained(self, coefficients: Tensor) -> Tensor:
        """Each coefficient c times r¹⁶ / (1 + r¹⁶), r = c / threshold: nearly a hard threshold, and smooth. What is exported computes
        in another order, and a coefficient near the threshold must not decide between two pictures."""
        ratio = coefficients * coefficients
        ratio *= self.scale
        for _ in range(SHARPNESS):
            ratio *= ratio
        # Where this is infinite, nothing is taken off.
        return coefficients - coefficients / (1 + ratio)


def _waves() -> Tensor:
    """The orthonormal DCT-II of BLOCK points as kernels [BLOCK, 1, BLOCK]."""
    places = torch.arange(BLOCK, dtype=torch.float64)
    waves = torch.cos(math.pi / BLOCK * (places[None] + 0.5) * places[:, None]) * (2 / BLOCK) ** 0.5
    waves[0] /= 2**0.5
    kernels: Tensor = waves.float()[:, None]
    return kernels


def _phases(waves: Tensor) -> Tensor:
    """Kernels [STEP, BLOCK, BLOCK / STEP] that add up what the blocks around give to STEP neighbouring pixels."""
    return waves[:, 0].reshape(BLOCK, BLOCK // STEP, STEP).flip(1).permute(2, 0, 1).contiguous()
