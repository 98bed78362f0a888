"""Masks, boxes and points follow the images: the same geometry [n, 3, 3] that `Augmenter.draw` gave for these.

Points and boxes are in the coordinates of the geometry: x to the right and y down, from -1 at the image's first edge to 1
at its last. `to_unit` and `to_pixels` convert; in pixels 0 is the first edge, and the first pixel's centre lies at 0.5.
A warp that mirrors turns a left hand into a right one: `mirrored` tells where paired keypoints have to be exchanged.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from snellen.train.augment import grid

IGNORE = 255


def to_unit(places: Tensor, side: float) -> Tensor:
    """Pixels (0 to `side`) as -1..1; works on points and boxes."""
    return places * (2 / side) - 1


def to_pixels(places: Tensor, side: float) -> Tensor:
    """-1..1 as pixels (0 to `side`)."""
    return (places + 1) * (side / 2)


def warp_masks(masks: Tensor, geometry: Tensor, size: int, *, ignore: int = IGNORE) -> Tensor:
    """Class numbers [n, s, s] (whole, 0 to 2^24) → [n, size, size] of the same type, by the nearest pixel.

    What comes from outside the image is `ignore`: images show a mirrored edge there, which nobody has annotated."""
    # Outside reads as 0, so every class is counted from 1.
    counted = (masks[:, None].float() + 1).contiguous()
    near = F.grid_sample(counted, grid(geometry, size), mode="nearest", padding_mode="zeros", align_corners=False)
    labels = near[:, 0].round().to(torch.int64)
    return torch.where(labels == 0, ignore, labels - 1).to(masks.dtype)


def warp_points(points: Tensor, geometry: Tensor) -> tuple[Tensor, Tensor]:
    """Points [..., 2] with geometry [..., 3, 3] (leading dimensions broadcast) → points, and which lie in the image.

    k points of every image: `warp_points(points, geometry[:, None])`; a flat list with image numbers `of`:
    `warp_points(points, geometry[of])`."""
    # The geometry says where an output pixel looks; a point goes the other way.
    onward = torch.linalg.inv(geometry)
    moved = (onward[..., :2, :2] * points[..., None, :]).sum(dim=-1) + onward[..., :2, 2]
    return moved, (moved.abs() <= 1).all(dim=-1)


def warp_boxes(boxes: Tensor, geometry: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes [..., 4] (left, top, right, bottom) with geometry [..., 3, 3] → boxes, and the share of each that is seen.

    A box becomes the smallest upright one around its warped corners, cut off at the image's edge; its share is the area
    left after the cut over the area before (0: it has left the image)."""
    left, top, right, bottom = boxes.unbind(dim=-1)
    ends = ((left, top), (right, top), (right, bottom), (left, bottom))
    corners = torch.stack([torch.stack(end, dim=-1) for end in ends], dim=-2)
    moved, _ = warp_points(corners, geometry[..., None, :, :])
    whole = torch.cat([moved.amin(dim=-2), moved.amax(dim=-2)], dim=-1)
    cut = whole.clamp(-1, 1)
    return cut, _area(cut) / _area(whole).clamp(min=1e-12)


def _area(boxes: Tensor) -> Tensor:
    sides = boxes[..., 2:] - boxes[..., :2]
    return sides[..., 0] * sides[..., 1]


def mirrored(geometry: Tensor) -> Tensor:
    """[n] bool: left and right of the sample are exchanged."""
    # The sign of the determinant of the upper left 2 x 2.
    a, b, c, d = (geometry[..., i, j] for i in (0, 1) for j in (0, 1))
    return a * d < b * c
