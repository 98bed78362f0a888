"""TrivialAugment, wide (SPEC D8; Müller & Hutter 2021, arXiv:2103.10158): one operation of any strength, nothing to tune."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments import _policy
from snellen.parts.augments._changes import Changes

KIND = "policy"
DRAWS = 3
LEVELS = 31


def trivialaugment(*, among: tuple[str, ...] | None = None) -> Callable[[Tensor], Changes]:
    """Return f(uniforms [n, 3]) -> Changes; operation, one of 31 strengths and direction are drawn for each sample.

    `among`: names of the operations to draw from; None means the published fourteen. Translation goes up to a seventh of
    the side: the published 32 pixels are that of an image of 224. Raises ValueError for an unknown name."""
    strengths = _policy.among(_policy.WIDE, among)

    def policy(u: Tensor) -> Changes:
        index = _policy.pick(u[:, 0], len(strengths))
        level = _policy.pick(u[:, 1], LEVELS) / (LEVELS - 1)
        return _policy.together(tuple(strengths), [(index, _policy.amounts(strengths, index, level, u[:, 2]))])

    return policy
