"""Block transforms at every shift, averaged: what makes a transform of blocks blind to where the blocks lie."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.fft import dctn, idctn

Array = np.ndarray


def at_every_shift(plane: Array, keep: Callable[[Array], Array], *, block: int, step: int) -> Array:
    """[h, w] → [h, w]: `keep` gets the DCT [rows, columns, block, block] of all blocks of one shift and returns them changed.

    Shifts are multiples of `step` in both directions; what they give is averaged. The edge is mirrored.
    """
    height, width = plane.shape
    padded = np.pad(plane, ((block, 2 * block - height % block), (block, 2 * block - width % block)), mode="symmetric")
    total = np.zeros_like(plane)
    shifts = [(down, right) for down in range(0, block, step) for right in range(0, block, step)]
    for down, right in shifts:
        rows, columns = (side // block - 1 for side in padded.shape)
        cut = padded[down : down + rows * block, right : right + columns * block]
        blocks = cut.reshape(rows, block, columns, block).swapaxes(1, 2)
        kept = idctn(keep(dctn(blocks, axes=(2, 3), norm="ortho")), axes=(2, 3), norm="ortho")
        whole = kept.swapaxes(1, 2).reshape(cut.shape)
        total += whole[block - down : block - down + height, block - right : block - right + width]
    return total / len(shifts)
