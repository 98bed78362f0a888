"""Tversky loss: what is missed may cost more than what is too much (SPEC L1; Salehi et al. 2017, arXiv:1706.05721, eq. 4).

With `gamma` above 1 the focal form (Abraham & Khan 2019, arXiv:1810.07842, eq. 4).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.losses._pixels import mean_present, overlaps
from snellen.parts.losses._powers import SURE

TAKES = "pixels"


def tversky(
    *, extra: float = 0.3, missed: float = 0.7, gamma: float = 1.0, smooth: float = 1.0
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return loss(logits [n, k, h, w], target [n, h, w] class numbers, 255 not labelled) -> [n].

    `extra` and `missed` weigh pixels of a class that are too many and too few; 0.5 and 0.5 are Dice.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        both, predicted, wanted = overlaps(output, target)
        index = (both + smooth) / (both + extra * (predicted - both) + missed * (wanted - both) + smooth)
        return mean_present((1 - index).clamp(min=SURE) ** (1 / gamma), wanted)

    return loss
