"""What a part does to a batch: one warp, one colour matrix, and operations on the pixels of some of its images."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

Operation = Callable[[Tensor], Tensor]


class Changes(NamedTuple):
    """`geometry` [n, 3, 3] and `colour` [n, 3, 4], or None where nothing of that kind happens; `pixels`: pairs of row
    numbers (int64, ascending) and an operation on the images of these rows, in order."""

    geometry: Tensor | None = None
    colour: Tensor | None = None
    pixels: tuple[tuple[Tensor, Operation], ...] = ()


def some(chosen: Tensor, function: Callable[..., Tensor], *given: Tensor) -> Operation:
    """An operation on a batch that is `function(images, *given)` for the chosen rows [n]; the rest costs nothing."""
    rows = chosen.nonzero()[:, 0]

    def op(images: Tensor) -> Tensor:
        if len(rows):
            images[rows] = function(images[rows], *(value[rows] for value in given))
        return images

    return op


def between(u: Tensor, low: float, high: float) -> Tensor:
    """Uniforms [n] in 0..1 as uniforms in low..high."""
    return low + u * (high - low)
