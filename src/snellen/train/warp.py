"""Warp: stored pixels to augmented images by OpenCV, one image at a time: one warp, one colour matrix, one normalisation.

Each image is worked on by itself, so that its bits do not depend on its neighbours. OpenCV's warp gives what torch's grid_sample
gives to 2e-5, and takes a fifth of the time, because it works on the three channels of a pixel together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snellen.data.opencv import opencv

# Fewer images than so many for each thread are not worth handing out.
EACH = 4


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="warp")


def changed(pixels: np.ndarray, geometry: Tensor, colour: Tensor, size: int) -> np.ndarray:
    """Pixels [n, s, s, 3] uint8 → [n, size, size, 3] float32 in 0..1: one bilinear warp, mirrored at the edge, then each pixel by
    its sample's colour matrix [n, 3, 4], clipped to 0..1.

    `geometry` [n, 3, 3]: where each output pixel looks, both in -1..1 with the edges at -1 and 1."""
    result = np.empty((len(pixels), size, size, 3), dtype=np.float32)
    matrices = colour.clone()
    matrices[:, :, :3] /= 255
    work = list(zip(pixels, in_pixels(geometry, size, pixels.shape[1]), matrices.numpy(), result, strict=True))
    _dealt(_change, work)
    return result


def _dealt(do: Callable[[Sequence[Any]], None], work: Sequence[Any]) -> None:
    """Each image done by one of the threads."""
    threads = min(torch.get_num_threads(), len(work) // EACH)
    if threads < 2:
        do(work)
    else:
        list(_pool(threads).map(do, [work[start::threads] for start in range(threads)]))


def _change(work: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """Each image by its place in pixels and its colour matrix, into its place in the result."""
    cv2 = opencv()
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for image, places, colour, out in work:
        given = image.astype(np.float32)
        cv2.warpAffine(given, places, out.shape[:2], dst=out, flags=how, borderMode=cv2.BORDER_REFLECT)
        cv2.transform(out, colour, dst=out)
        np.clip(out, 0, 1, out=out)


def in_pixels(geometry: Tensor, size: int, side: int) -> np.ndarray:
    """The same map from output pixels to input pixels, counted from the first one's centre: [n, 2, 3] float64."""
    matrix = geometry[:, :2].double().numpy()
    scale = matrix[:, :, :2] * (side / size)
    # Centre of the first output pixel in -1..1, there the input's place, and that in pixels.
    first = (matrix[:, :, :2].sum(axis=2) * (1 / size - 1) + matrix[:, :, 2] + 1) * (side / 2) - 0.5
    return np.concatenate([scale, first[:, :, None]], axis=2)


def normalised(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Images [n, 3, h, w] float32 less the mean, over the standard deviation, of each channel; in place where they lie
    channels last in memory."""
    cv2 = opencv()
    images = images.contiguous(memory_format=torch.channels_last)
    spread = np.asarray(std, dtype=np.float64)
    matrix = np.concatenate([np.diag(1 / spread), (-np.asarray(mean) / spread)[:, None]], axis=1).astype(np.float32)

    def norm(work: Sequence[np.ndarray]) -> None:
        for image in work:
            cv2.transform(image, matrix, dst=image)

    _dealt(norm, list(images.permute(0, 2, 3, 1).numpy()))
    return images
