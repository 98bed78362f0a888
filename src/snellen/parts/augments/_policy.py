"""What the policies share: the published operations by name, their strengths, and putting layers of them together."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from snellen.parts.augments._changes import Changes, Operation
from snellen.parts.augments._matrices import brightened, inverted, plain, saturated, sheared, shifted, still, turned
from snellen.parts.augments._operations import autocontrast, contrast, equalize, posterize, recolour, sharpen, solarize

Strengths = Mapping[str, float]

# Amount per sample [n] → matrices. Shears keep the upper or left edge in place, as the published code does.
GEOMETRY: Mapping[str, Callable[[Tensor], Tensor]] = {
    "shear_x": lambda amount: sheared(amount, 0, pivot=-1.0),
    "shear_y": lambda amount: sheared(amount, 1, pivot=-1.0),
    "translate_x": lambda amount: shifted(amount, 0),
    "translate_y": lambda amount: shifted(amount, 1),
    "rotate": lambda amount: turned(amount * (math.pi / 180)),
}
COLOUR: Mapping[str, Callable[[Tensor], Tensor]] = {
    "brightness": lambda amount: brightened(1 + amount),
    "saturation": lambda amount: saturated(1 + amount),
    "invert": lambda amount: inverted(torch.ones(len(amount), dtype=torch.bool)),
}
# Images and amount per sample → images. Posterize is told how many bits are lost, solarize how much is inverted.
PIXELS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "contrast": lambda images, amount: contrast(images, 1 + amount),
    "sharpness": lambda images, amount: sharpen(images, 1 + amount),
    "posterize": lambda images, amount: posterize(images, (8 - amount).round()),
    "solarize": lambda images, amount: solarize(images, 1 - amount),
    "autocontrast": lambda images, amount: autocontrast(images),
    "equalize": lambda images, amount: equalize(images),
}
SIGNED = {*GEOMETRY, "brightness", "saturation", "contrast", "sharpness"}

# The largest amounts: shear as a tangent, translation as a share of the side, rotation in degrees, factors about 1,
# bits lost, share of the scale. They are those of torchvision's RandAugment and AutoAugment.
STANDARD: Strengths = {
    "identity": 0.0, "shear_x": 0.3, "shear_y": 0.3, "translate_x": 150 / 331, "translate_y": 150 / 331,
    "rotate": 30.0, "brightness": 0.9, "saturation": 0.9, "contrast": 0.9, "sharpness": 0.9, "posterize": 4.0,
    "solarize": 1.0, "autocontrast": 0.0, "equalize": 0.0,
}  # fmt: skip
# TrivialAugment's "wide" space; its 32 pixels of translation are a seventh of an image of 224.
WIDE: Strengths = {
    **STANDARD, "shear_x": 0.99, "shear_y": 0.99, "translate_x": 32 / 224, "translate_y": 32 / 224, "rotate": 135.0,
    "brightness": 0.99, "saturation": 0.99, "contrast": 0.99, "sharpness": 0.99, "posterize": 6.0,
}  # fmt: skip


def among(strengths: Strengths, names: Sequence[str] | None) -> Strengths:
    """The named operations, all for None; ValueError for an unknown name, and for an empty choice."""
    if names is None:
        return strengths
    unknown = [name for name in names if name not in strengths]
    if unknown or not names:
        near = difflib.get_close_matches(unknown[0], strengths, n=1, cutoff=0.5) if unknown else []
        advice = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(strengths)}"
        raise ValueError(f"no operation is named {', '.join(unknown) or 'at all'}; {advice}")
    return {name: strengths[name] for name in names}


def pick(u: Tensor, count: int) -> Tensor:
    """Uniforms [n] in 0..1 as whole numbers below `count`."""
    return (u * count).long().clamp(max=count - 1)


def amounts(strengths: Strengths, index: Tensor, level: Tensor, sign: Tensor) -> Tensor:
    """Amounts [n] of the operations numbered `index` at `level` (0..1 of the largest); `sign` [n] in 0..1 turns half of
    those that have two directions."""
    top = torch.tensor(list(strengths.values()))[index]
    signed = torch.tensor([name in SIGNED for name in strengths])[index]
    return top * level * torch.where(signed & (sign < 0.5), -1.0, 1.0)


def together(names: Sequence[str], layers: Sequence[tuple[Tensor, Tensor]]) -> Changes:
    """Layers of (operation's number [n], amount [n]) as one change; a sample's operations happen in their order.

    All geometry is one warp. A colour matrix comes before every pixel operation: that is right for the first layer, and
    colours of later layers are operations in their place.
    """
    n = len(layers[0][0])
    geometry, colour = still(n), plain(n)
    pixels: list[tuple[Tensor, Operation]] = []
    for depth, (index, amount) in enumerate(layers):
        for number in sorted(set(index.tolist())):
            rows, name = (index == number).nonzero()[:, 0], names[number]
            given = amount[rows]
            if name in GEOMETRY:
                geometry[rows] = geometry[rows] @ GEOMETRY[name](given)
            elif name in COLOUR and depth == 0:
                colour[rows] = COLOUR[name](given)
            elif name in COLOUR:
                pixels.append((rows, partial(_with, recolour, COLOUR[name](given))))
            elif name in PIXELS:
                pixels.append((rows, partial(_with, PIXELS[name], given)))
    return Changes(geometry, colour, tuple(pixels))


def _with(function: Callable[[Tensor, Tensor], Tensor], amount: Tensor, images: Tensor) -> Tensor:
    return function(images, amount)
