"""Boxes misplaced on purpose: what a shifted, an oversize, an undersize and an empty box look like to a dataset's own detector.

How far a detector's opinion strays from boxes that are right depends on the dataset: on the size and number of its objects, and on
how loosely they were drawn. A limit for all of them is wrong for most; examples of both sorts tell it for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

from snellen.data.boxes import MISPLACED
from snellen.train.box_steps import centres, from_centres

SPURIOUS = MISPLACED.index("spurious")
# A shift in sides of the box, and a change of its sides as a factor (or one by it): from what would be told from a loose box to
# what would no longer be taken for the object's own.
SHIFT, FACTOR = (0.4, 0.8), (1.45, 2.5)
# The middle of a resized box strays by so much of the room that there is.
STRAY = 0.3
# A misplaced box overlaps so much with the right one (what the image's border leaves of it), one around nothing at most so much
# with any; and all are so many pixels wide.
OVERLAP, EMPTY, THINNEST = (0.05, 0.55), 0.1, 2.0
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Misplaced:
    """Of one image: boxes [k, 4], the row [k] of the drawn box that each was made of (NOBODY: it is around nothing), and its
    kind [k], a place in MISPLACED."""

    boxes: Tensor
    owner: Tensor
    kind: Tensor

    @classmethod
    def of(cls, boxes: Tensor, copies: float, size: int, chance: torch.Generator) -> Misplaced:
        """About `copies` of every box [m, 4], as many of each kind; fewer where there is no room."""
        owner = _dealt(len(boxes), copies, chance)
        kind = torch.randint(len(MISPLACED), (len(owner),), generator=chance)
        middle, sides = centres(boxes[owner])
        shift, zoom = _by_lot(kind, chance)
        moved = from_centres(middle + shift * sides, sides * zoom).clamp(0, size)
        alone = kind == SPURIOUS
        moved[alone] = _anywhere(sides[alone], size, chance)
        good = _plain_to_see(moved, boxes, owner, alone)
        return cls(moved[good], torch.where(alone, NOBODY, owner)[good], kind[good])


def _dealt(boxes: int, copies: float, chance: torch.Generator) -> Tensor:
    """Every box as often as it goes, and for the rest some of them."""
    count = int(copies * boxes + float(torch.rand((), generator=chance)))
    turns = [torch.randperm(boxes, generator=chance) for _ in range(-(-count // boxes) if boxes else 0)]
    return torch.cat(turns)[:count] if turns else torch.zeros(0, dtype=torch.int64)


def _by_lot(kind: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shift [k, 2] in sides, and factor of the sides [k, 1]."""
    much, angle, stray_x, stray_y = torch.rand((4, len(kind), 1), generator=chance)
    far = SHIFT[0] + (SHIFT[1] - SHIFT[0]) * much
    beside = torch.cat([(2 * math.pi * angle).cos(), (2 * math.pi * angle).sin()], dim=1) * far
    factor = FACTOR[0] * (FACTOR[1] / FACTOR[0]) ** much
    large, small = (kind[:, None] == MISPLACED.index(name) for name in ("oversize", "undersize"))
    zoom = torch.where(large, factor, torch.where(small, 1 / factor, torch.ones_like(factor)))
    stray = (torch.cat([stray_x, stray_y], dim=1) - 0.5) * STRAY * (zoom - 1).abs()
    return torch.where(large | small, stray, beside), zoom


def _anywhere(sides: Tensor, size: int, chance: torch.Generator) -> Tensor:
    """Boxes [n, 4] of these sides [n, 2] somewhere within the image."""
    low = torch.rand((len(sides), 2), generator=chance) * (size - sides).clamp_min(0)
    return torch.cat([low, low + sides], dim=1).clamp(0, size)


def _plain_to_see(moved: Tensor, boxes: Tensor, owner: Tensor, alone: Tensor) -> Tensor:
    """[k] bool: within the bounds of overlap."""
    if not len(moved):
        return alone
    overlap = box_iou(moved, boxes)
    own = overlap[torch.arange(len(moved)), owner]
    fits = torch.where(alone, overlap.max(dim=1).values <= EMPTY, (own > OVERLAP[0]) & (own < OVERLAP[1]))
    return fits & ((moved[:, 2:] - moved[:, :2]) >= THINNEST).all(dim=1)
