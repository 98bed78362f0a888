"""Salt-and-pepper noise (SPEC D8)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._changes import Operation
from snellen.parts.augments._noise import streams

KIND = "pixels"
DRAWS = 2


def salt_pepper(*, share: float = 0.02) -> Callable[[Tensor], Operation]:
    """Return f(uniforms [n, 2]) -> op(images [n, 3, h, w]); up to `share` of the pixels become black or white."""

    def pixels(u: Tensor) -> Operation:
        def op(images: Tensor) -> Tensor:
            noise = streams(u[:, 0], (1, *images.shape[2:]), normal=False)
            half = (u[:, 1] * share / 2)[:, None, None, None]
            return images.masked_fill_(noise < half, 0.0).masked_fill_(noise > 1 - half, 1.0)

        return op

    return pixels
