"""Decoding alone: every file to a square of RGB pixels in one .npy file, with Pillow and as many threads as there are cores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# As our decoder: a large JPEG is decoded at half, a quarter or an eighth of its size, but not below so many times of what is wanted.
ENOUGH, LOOK, AT_ONCE = 1.5, 128, 128


def square(path: Path, size: int) -> np.ndarray:
    """One file as [size, size, 3] uint8."""
    side = int(ENOUGH * max(size, LOOK))
    with Image.open(path) as image:
        image.draft(None, (side, side))
        upright = ImageOps.exif_transpose(image).convert("RGB")
    cell = int(min(upright.size) / side)
    near = upright.reduce(cell) if cell > 1 else upright
    return np.asarray(near.resize((size, size), Image.Resampling.BICUBIC))


def decode(files: Sequence[Path], size: int, path: Path | None) -> int:
    """Write the squares to `path` (None: nowhere), flushed to the disk; how many there were."""
    with ThreadPoolExecutor(os.cpu_count()) as pool, (path or Path(os.devnull)).open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(files), size, size, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(files), AT_ONCE):
            for pixels in pool.map(lambda one: square(one, size), files[start : start + AT_ONCE]):
                if path is not None:
                    file.write(pixels.tobytes())
        file.flush()
        if path is not None:
            os.fsync(file.fileno())
    return len(files)
