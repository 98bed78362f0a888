"""Shrinkage of the DCT of overlapping blocks in two steps: BM3D with one block in each group.

Yu & Sapiro 2011, "DCT image denoising: a simple and effective image denoising algorithm", IPOL 1; Pierazzo, Morel & Facciolo
2017, "Multi-Scale DCT Denoising", IPOL 7. BM3D itself has no implementation under a permissive licence that we know of.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from snellen.parts._shrink import STEP, Shrink
from snellen.parts._tiles import tiled

# In grey levels of 255; about three times the noise's sd is where coefficients are noise only.
STRENGTHS = (5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 100.0, 130.0, 160.0)
NEEDS = ()
# Pixels of a tile: all blocks of a large photo at once would take gigabytes.
TILE = 512


def dct(*, strength: float = 75.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return f(image [h, w, 3] float32 in 0..1) -> the same shape; coefficients below `strength` / 255 are taken for noise.

    A `residual_unet` with `start` begins as just this filter. 0: nothing is filtered.
    """
    shrink = Shrink(strength) if strength else None

    def denoise(image: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32)).permute(2, 0, 1)[None]
        height, width = given.shape[2:]
        padded = F.pad(given, (0, -width % STEP, 0, -height % STEP), mode="replicate")
        found = padded if shrink is None else tiled(shrink, padded, tile=TILE, reach=Shrink.reach, multiple=STEP)
        return found[0, :, :height, :width].permute(1, 2, 0).numpy()

    return denoise
