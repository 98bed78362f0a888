"""Shear in both directions about the centre (Cubuk et al. 2019, "AutoAugment": up to 0.3); the edge is mirrored."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from snellen.parts.augments._matrices import sheared

KIND = "geometry"
DRAWS = 2


def shear(*, share: float = 0.2) -> Callable[[Tensor], Tensor]:
    """Return f(uniforms [n, 2]) -> [n, 3, 3]; a line slides by up to ±share of its distance from the centre."""

    def geometry(u: Tensor) -> Tensor:
        slide = (2 * u - 1) * share
        return sheared(slide[:, 0], 0) @ sheared(slide[:, 1], 1)

    return geometry
