"""Shrinkage of a block transform: the classical filter `dct` (parts/filters/dct), also inside a network that begins as it."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Side of a block, and the distance of neighbouring blocks: every pixel lies in (BLOCK / STEP)² of them.
BLOCK, STEP = 16, 4
SHIFTS = BLOCK // STEP
# Of the mean of a block, which always stays: what its square is divided by, and how much of it is noise.
TINY = 1e-12
# Doublings of the gain's exponent: more is nearer to a hard threshold.
SHARPNESS = 3
# Noise that the second step reckons with, as a share of the first one's threshold (a hard threshold is best near three times the noise).
NOISE = 0.3
# How many times faster than a weight the logarithm of the noise moves: it has farther to go.
SPEED = 4.0


class Shrink(nn.Module):
    """[n, 3, h, w] in 0..1, h and w multiples of STEP → the same shape: BM3D's two steps, each block for itself.

    First, small coefficients of overlapping blocks vanish (Yu & Sapiro 2011, "DCT image denoising", IPOL 1, in colours that
    hardly depend on each other); then the coefficients of the result say how much of the given ones is noise (Wiener's
    filter; Pierazzo, Morel & Facciolo 2017, "Multi-Scale DCT Denoising", IPOL 7, section 2). What blocks say of a pixel is averaged
    with weights: the fewer coefficients a block kept, the surer it is (Guleryuz 2007; Dabov et al. 2007, eq. 10).
    `strength`: the threshold in grey levels of 255. `learnt`: how much of each coefficient of each colour the second step takes for noise
    is trained; it begins as the filter. Always in full precision. `reach`: input pixels that an output pixel depends on.
    """

    reach = 2 * (BLOCK - 1)
    colours: Tensor
    waves: Tensor
    phases: Tensor
    scale: Tensor
    noise: Tensor

    def __init__(self, strength: float, *, learnt: bool = False) -> None:
        super().__init__()
        # Brightness, red against blue, green against both: white noise stays white.
        rows = [[1 / 3**0.5] * 3, [1 / 2**0.5, 0.0, -1 / 2**0.5], [1 / 6**0.5, -2 / 6**0.5, 1 / 6**0.5]]
        scale = torch.full((BLOCK * BLOCK, 1, 1), (255 / strength) ** 2)
        scale[0] = 1 / TINY
        noise = torch.full((BLOCK * BLOCK, 1, 1), (NOISE * strength / 255) ** 2)
        noise[0] = TINY
        self.register_buffer("colours", torch.tensor(rows), persistent=False)
        self.register_buffer("waves", _waves(), persistent=False)
        self.register_buffer("phases", _phases(_waves()), persistent=False)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("noise", noise, persistent=False)
        self.doubt = nn.Parameter(torch.zeros(3, BLOCK * BLOCK)) if learnt else None

    def forward(self, x: Tensor) -> Tensor:
        """The filtered images."""
        with torch.autocast(x.device.type, enabled=False):
            n, _, height, width = x.shape
            before = BLOCK - STEP
            with torch.no_grad():
                planes = torch.einsum("cd,ndhw->nchw", self.colours, x.float()).reshape(n * 3, 1, height, width)
                given = self._coefficients(F.pad(planes, (before, before, before, before), mode="replicate"))
                guide = self._coefficients(self._whole(given, self._kept(given)))
            found = self._whole(given, self._trusted(guide))
            found = found[:, :, before : before + height, before : before + width].reshape(n, 3, height, width)
            return torch.einsum("cd,nchw->ndhw", self.colours, found).clamp(0, 1)

    def _coefficients(self, planes: Tensor) -> Tensor:
        """[m, 1, h, w] → [m, BLOCK², rows, columns] of blocks: along columns, then along rows."""
        n, _, _, width = planes.shape
        down = F.conv2d(planes, self.waves[:, :, :, None], stride=(STEP, 1))
        across = F.conv2d(down.reshape(n * BLOCK, 1, -1, width), self.waves[:, :, None, :], stride=(1, STEP))
        return across.reshape(n, BLOCK * BLOCK, across.shape[2], across.shape[3])

    def _kept(self, coefficients: Tensor) -> Tensor:
        """Gains r¹⁶ / (1 + r¹⁶), r = coefficient / threshold: nearly a hard threshold, and smooth. What is exported computes in
        another order, and a coefficient near the threshold must not decide between two pictures."""
        ratio = coefficients * coefficients
        ratio *= self.scale
        for _ in range(SHARPNESS):
            ratio *= ratio
        # Where this is infinite, nothing is taken off.
        return 1 - 1 / (1 + ratio)

    def _trusted(self, guide: Tensor) -> Tensor:
        """Gains of Wiener's filter: the share of the signal in a coefficient's energy; the mean of a block stays."""
        if self.doubt is None:
            return 1 - self.noise / (guide * guide + self.noise)
        noise = self.noise * torch.exp(SPEED * self.doubt)[:, :, None, None]
        energy = (guide * guide).reshape(-1, *noise.shape[:2], *guide.shape[2:])
        return (1 - noise / (energy + noise)).reshape(guide.shape)

    def _whole(self, coefficients: Tensor, gains: Tensor) -> Tensor:
        """Coefficients times gains, put together again: [m, 1, h, w]."""
        sure = 1 / gains.square().sum(dim=1, keepdim=True).clamp(min=1)
        weighed = coefficients * (gains * sure)
        n, _, rows, columns = weighed.shape
        # A transposed convolution, as an ordinary one that gives STEP neighbouring pixels at once: several times faster.
        back = F.conv2d(
            weighed.reshape(n * BLOCK, BLOCK, rows, columns), self.phases[:, :, None, :], padding=(0, SHIFTS - 1)
        )
        flat = back.permute(0, 2, 3, 1).reshape(n, BLOCK, rows, (columns + SHIFTS - 1) * STEP)
        added = F.conv2d(flat, self.phases[:, :, :, None], padding=(SHIFTS - 1, 0))
        total = added.permute(0, 2, 1, 3).reshape(n, 1, (rows + SHIFTS - 1) * STEP, flat.shape[-1])
        cells = F.conv2d(sure, sure.new_ones(1, 1, SHIFTS, SHIFTS), padding=SHIFTS - 1)
        return total / F.interpolate(cells, scale_factor=float(STEP), mode="nearest")


def _waves() -> Tensor:
    """The orthonormal DCT-II of BLOCK points as kernels [BLOCK, 1, BLOCK]."""
    places = torch.arange(BLOCK, dtype=torch.float64)
    waves = torch.cos(math.pi / BLOCK * (places[None] + 0.5) * places[:, None]) * (2 / BLOCK) ** 0.5
    waves[0] /= 2**0.5
    kernels: Tensor = waves.float()[:, None]
    return kernels


def _phases(waves: Tensor) -> Tensor:
    """Kernels [STEP, BLOCK, SHIFTS] that add up what the blocks around give to STEP neighbouring pixels."""
    return waves[:, 0].reshape(BLOCK, SHIFTS, STEP).flip(1).permute(2, 0, 1).contiguous()
