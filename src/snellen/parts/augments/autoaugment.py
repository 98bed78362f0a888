"""AutoAugment with the policy that was found on ImageNet (SPEC D8; Cubuk et al. 2019, arXiv:1805.09501, appendix)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from snellen.parts.augments import _policy
from snellen.parts.augments._changes import Changes

KIND = "policy"
DRAWS = 5
STRENGTHS = {**_policy.STANDARD, "invert": 0.0}
Step = tuple[str, float, int]
# Operation, chance, magnitude of 9 (0 where there is none); twice. Five lines occur twice, as published.
POLICY: tuple[tuple[Step, Step], ...] = (
    (("posterize", 0.4, 8), ("rotate", 0.6, 9)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
    (("posterize", 0.6, 7), ("posterize", 0.6, 6)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("equalize", 0.4, 0), ("rotate", 0.8, 8)),
    (("solarize", 0.6, 3), ("equalize", 0.6, 0)),
    (("posterize", 0.8, 5), ("equalize", 1.0, 0)),
    (("rotate", 0.2, 3), ("solarize", 0.6, 8)),
    (("equalize", 0.6, 0), ("posterize", 0.4, 6)),
    (("rotate", 0.8, 8), ("saturation", 0.4, 0)),
    (("rotate", 0.4, 9), ("equalize", 0.6, 0)),
    (("equalize", 0.0, 0), ("equalize", 0.8, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("saturation", 0.6, 4), ("contrast", 1.0, 8)),
    (("rotate", 0.8, 8), ("saturation", 1.0, 2)),
    (("saturation", 0.8, 8), ("solarize", 0.8, 7)),
    (("sharpness", 0.4, 7), ("invert", 0.6, 0)),
    (("shear_x", 0.6, 5), ("equalize", 1.0, 0)),
    (("saturation", 0.4, 0), ("equalize", 0.6, 0)),
    (("equalize", 0.4, 0), ("solarize", 0.2, 4)),
    (("solarize", 0.6, 5), ("autocontrast", 0.6, 0)),
    (("invert", 0.6, 0), ("equalize", 1.0, 0)),
    (("saturation", 0.6, 4), ("contrast", 1.0, 8)),
    (("equalize", 0.8, 0), ("equalize", 0.6, 0)),
)


def autoaugment() -> Callable[[Tensor], Changes]:
    """Return f(uniforms [n, 5]) -> Changes; one of 25 pairs of operations for each sample, each with its own chance.

    Strengths are those of torchvision's `AutoAugment`."""
    names = tuple(STRENGTHS)

    def policy(u: Tensor) -> Changes:
        pair = _policy.pick(u[:, 0], len(POLICY))
        layers = []
        for place in (0, 1):
            number = torch.tensor([names.index(steps[place][0]) for steps in POLICY])[pair]
            chance = torch.tensor([steps[place][1] for steps in POLICY])[pair]
            level = torch.tensor([steps[place][2] / 9 for steps in POLICY])[pair]
            index = torch.where(u[:, 1 + place] < chance, number, names.index("identity"))
            layers.append((index, _policy.amounts(STRENGTHS, index, level, u[:, 3 + place])))
        return _policy.together(names, layers)

    return policy
