"""Regions to learn from: boxes beside annotated ones and boxes anywhere, cut out of the maps once and kept.

The maps do not change, so what a head learns from is gathered in one pass over the images and never again: a training step is
then the arithmetic of the head alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

from snellen.train.box_steps import centres, from_centres, mirrored, way
from snellen.train.maps import Maps, pooled

# An overlap from which a region holds an object, below which it holds none, and from which the way to the object is learnt.
INSIDE, OUTSIDE, MOVABLE = 0.5, 0.4, 0.2
# Regions of all images together: beside annotated boxes and anywhere; and of one image at most.
NEAR, ANYWHERE, MOST_COPIES, MOST_ANYWHERE = 9000, 12_000, 12, 200


@dataclass(frozen=True, slots=True)
class Regions:
    """What was cut out [n, d] float16; class [n] (0: background, -1: neither), overlap [n] with an object and way [n, 4] to it,
    image [n], and whether it lies beside an annotated box [n]."""

    seen: Tensor
    labels: Tensor
    overlaps: Tensor
    ways: Tensor
    image: Tensor
    near: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def joined(cls, parts: Sequence[Regions]) -> Regions:
        """Those of several images, in order."""
        names = ("seen", "labels", "overlaps", "ways", "image", "near")
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True)
class Portion:
    """How many regions are taken of an image: copies of every annotated box (a mean), and boxes anywhere."""

    copies: float
    anywhere: int

    @classmethod
    def of(cls, boxes: int, images: int) -> Portion:
        """What keeps the number of all regions bounded."""
        return cls(min(MOST_COPIES, NEAR / max(boxes, 1)), max(8, min(MOST_ANYWHERE, ANYWHERE // max(images, 1))))


@torch.no_grad()
def gather(
    maps: Maps, boxes: Tensor, labels: Tensor, anchors: Tensor, portion: Portion, *, image: int, size: int, chance: torch.Generator
) -> Regions:  # fmt: skip
    """Regions of one image: its boxes [m, 4] as they are and moved, and some of the anchors [a, 4]; half of them in the mirror
    image where the maps hold that."""
    near = copied(boxes, portion.copies, size, chance)
    anywhere = anchors[torch.randint(len(anchors), (portion.anywhere,), generator=chance)]
    wanted = torch.cat([near, anywhere])
    beside = torch.arange(len(wanted)) < len(near)
    views = len(maps[0])
    dealt = [torch.arange(view, len(wanted), views) for view in range(views)]
    shown = [boxes, mirrored(boxes, size)][:views]
    regions = [wanted[dealt[0]], *(mirrored(wanted[rows], size) for rows in dealt[1:])]
    told = [targets(region, drawn, labels) for region, drawn in zip(regions, shown, strict=True)]
    label, overlap, step = (torch.cat(values) for values in zip(*told, strict=True))
    rows = torch.cat(dealt)
    return Regions(
        pooled(maps, regions, size).half(), label, overlap, step, torch.full((len(rows),), image), beside[rows]
    )


def copied(boxes: Tensor, copies: float, size: int, chance: torch.Generator) -> Tensor:
    """`copies` times as many boxes (a mean), moved and resized a little or a lot."""
    if not len(boxes):
        return boxes
    count = int(copies * len(boxes) + float(torch.rand((), generator=chance)))
    return moved(boxes[torch.randint(len(boxes), (count,), generator=chance)], size, chance)


def moved(boxes: Tensor, size: int, chance: torch.Generator) -> Tensor:
    """The boxes [n, 4], each moved and resized a little or a lot."""
    middle, sides = centres(boxes)
    n = len(boxes)
    much = torch.rand((n, 1), generator=chance)
    shift = (torch.rand((n, 2), generator=chance) * 2 - 1) * 0.7 * much
    zoom = (torch.rand((n, 1), generator=chance) * 2 - 1) * 0.9 * torch.rand((n, 1), generator=chance)
    aspect = (torch.rand((n, 2), generator=chance) * 2 - 1) * 0.3 * much
    return from_centres(middle + shift * sides, sides * (zoom + aspect).exp()).clamp(0, size)


def targets(regions: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Class [n] (0: background, -1: neither), overlap [n] with the nearest annotated box, way [n, 4] to it."""
    if not len(boxes):
        return torch.zeros(len(regions), dtype=torch.long), torch.zeros(len(regions)), torch.zeros(len(regions), 4)
    overlap, nearest = box_iou(regions, boxes).max(dim=1)
    label = torch.where(overlap >= INSIDE, labels[nearest] + 1, torch.zeros_like(nearest))
    label[(overlap < INSIDE) & (overlap >= OUTSIDE)] = -1
    return label, overlap, way(regions, boxes[nearest])
