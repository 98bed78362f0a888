"""Patches of images: where they are cut and how they are turned is a function of numbers that were drawn before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# Row, column, and which of the eight symmetries of the square.
DRAWS = 3


def patches(images: Sequence[np.ndarray], u: np.ndarray, *, side: int) -> Tensor:
    """A square of every image [h, w, 3] uint8, flipped and turned by right angles: [n, 3, side, side] float32 in 0..1.

    `u` [n, 3] in [0, 1): row, column, symmetry. An image that is smaller than the patch is continued by its mirror image.
    """
    return tensor(np.stack([_patch(image, draw, side) for image, draw in zip(images, u, strict=True)]))


def tensor(pixels: np.ndarray) -> Tensor:
    """[n, h, w, 3] uint8 → [n, 3, h, w] float32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).float().div_(255)


def _patch(image: np.ndarray, u: np.ndarray, side: int) -> np.ndarray:
    missing = [max(0, side - length) for length in image.shape[:2]]
    if any(missing):
        image = np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
    top, left = (int(draw * (length - side + 1)) for draw, length in zip(u[:2], image.shape[:2], strict=True))
    cut = image[top : top + side, left : left + side]
    turns, mirrored = divmod(int(u[2] * 8), 2)
    turned = np.rot90(cut, turns)
    return turned[:, ::-1] if mirrored else turned


def whole_multiple(image: np.ndarray, multiple: int) -> np.ndarray:
    """The image [h, w, 3] without the last rows and columns that make it no multiple; one that is smaller is mirrored on."""
    height, width = (length // multiple * multiple for length in image.shape[:2])
    if height and width:
        return image[:height, :width]
    pads = [(0, -length % multiple) for length in image.shape[:2]]
    return np.pad(image, (*pads, (0, 0)), mode="symmetric")
