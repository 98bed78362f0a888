"""RandAugment (SPEC D8; Cubuk et al. 2020, arXiv:1909.13719): some operations by chance, all of one magnitude."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.augments import _policy
from snellen.parts.augments._changes import Changes

KIND = "policy"
MOST = 8
DRAWS = 2 * MOST


def randaugment(
    *, ops: int = 2, magnitude: float = 9.0, among: tuple[str, ...] | None = None
) -> Callable[[Tensor], Changes]:
    """Return f(uniforms [n, 16]) -> Changes; `ops` (1 to 8) draws with replacement, `magnitude` of 30.

    `among`: names of the operations to draw from; None means the published fourteen with torchvision's strengths.
    Raises ValueError for settings outside of that."""
    if not (1 <= ops <= MOST and 0 <= magnitude <= 30):
        raise ValueError(f"randaugment has ops {ops} and magnitude {magnitude}; expected 1 to {MOST}, and 0 to 30")
    strengths = _policy.among(_policy.STANDARD, among)

    def policy(u: Tensor) -> Changes:
        level = torch.full((len(u),), magnitude / 30)
        layers = []
        for place in range(0, 2 * ops, 2):
            index = _policy.pick(u[:, place], len(strengths))
            layers.append((index, _policy.amounts(strengths, index, level, u[:, place + 1])))
        return _policy.together(tuple(strengths), layers)

    return policy
