"""Masks, boxes and points go where the pixels go."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pictures import made
from torch import Tensor

from snellen.train.draws import keys
from snellen.train.targets import mirrored, to_pixels, to_unit, warp_boxes, warp_masks, warp_points

SIDE, N = 96, 40
IDS = [f"s{i}" for i in range(N)]
FLIP = torch.diag(torch.tensor([-1.0, 1.0, 1.0])).repeat(N, 1, 1)
GEOMETRY = ({"name": "flip"}, {"name": "rotate"}, {"name": "shift"}, {"name": "zoom"}, {"name": "shear"})
# Box of the painted square in pixels: left, top, right, bottom.
SQUARE = (36.0, 40.0, 60.0, 64.0)


def painted() -> tuple[np.ndarray, Tensor]:
    """A white square on black as stored pixels [n, s, s, 3] and as masks [n, s, s]."""
    left, top, right, bottom = map(int, SQUARE)
    masks = torch.zeros(N, SIDE, SIDE, dtype=torch.uint8)
    masks[:, top:bottom, left:right] = 1
    return (masks.numpy()[..., None] * 255).repeat(3, axis=3), masks


def drawn(size: int = SIDE) -> tuple[Tensor, Tensor]:
    """Augmented images of the square, and the geometry that they got."""
    augment = made(*GEOMETRY, size=size)
    found = augment.draw(np.zeros(N, np.int64), seed=0, epoch=0, keys=keys(IDS))
    return augment.apply(painted()[0], found), found.geometry


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of two stacks of masks."""
    return (a & b).flatten(1).sum(1) / (a | b).flatten(1).sum(1)


def box_overlap(a: Tensor, b: Tensor) -> Tensor:
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    return shared / ((a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - shared)


def box_of(masks: Tensor) -> Tensor:
    """Smallest boxes around masks [n, s, s], in pixels."""
    found = []
    for mask in masks:
        rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
        found.append(torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]))
    return torch.stack(found).float()


@pytest.mark.parametrize("size", [SIDE, 64, 128])
def test_a_square_its_mask_its_box_and_its_corners_move_together(size: int) -> None:
    images, geometry = drawn(size)
    bright = images[:, 0] > 0.5
    masks = warp_masks(painted()[1], geometry, size)
    # The mirrored edge shows a second square here and there: nobody annotated it, and the mask says so.
    seen = masks != 255
    assert overlap(bright & seen, masks == 1).min() > 0.93

    boxes, shares = warp_boxes(to_unit(torch.tensor(SQUARE), SIDE).repeat(N, 1), geometry)
    whole = shares > 0.999
    assert whole.sum() > 20
    around = box_of((masks == 1)[whole])
    assert box_overlap(to_pixels(boxes[whole], size), around).min() > 0.88

    left, top, right, bottom = SQUARE
    corners = to_unit(torch.tensor([[left, top], [right, top], [right, bottom], [left, bottom]]), SIDE)
    moved, inside = warp_points(corners, geometry[:, None])
    polygons = filled(to_pixels(moved, size), size)
    all_in = inside.all(dim=1)
    assert torch.equal(all_in, whole)
    assert overlap(polygons[all_in], (masks == 1)[all_in]).min() > 0.93


def filled(corners: Tensor, size: int) -> Tensor:
    """Pixels whose centres lie in convex polygons [n, k, 2], whichever way round they run: [n, size, size]."""
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    along = corners.roll(-1, dims=1) - corners
    side = along[:, :, 0, None, None] * (y - corners[:, :, 1, None, None])
    side = side - along[:, :, 1, None, None] * (x - corners[:, :, 0, None, None])
    return (side >= 0).all(dim=1) | (side <= 0).all(dim=1)


def test_flipping_twice_is_nothing() -> None:
    masks = torch.randint(0, 7, (N, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    assert torch.equal(warp_masks(masks, FLIP @ FLIP, SIDE), masks)
    assert torch.equal(warp_masks(warp_masks(masks, FLIP, SIDE), FLIP, SIDE), masks)
    assert torch.equal(warp_masks(masks, FLIP, SIDE), masks.flip(2))
    points = torch.rand(N, 5, 2) * 2 - 1
    once, inside = warp_points(points, FLIP[:, None])
    assert inside.all()
    assert torch.allclose(once, points * torch.tensor([-1.0, 1.0]))
    assert torch.allclose(warp_points(once, FLIP[:, None])[0], points)
    boxes = torch.tensor([[-0.5, -0.2, 0.1, 0.9]]).repeat(N, 1)
    other, shares = warp_boxes(boxes, FLIP)
    assert torch.allclose(other, torch.tensor([-0.1, -0.2, 0.5, 0.9]))
    assert torch.allclose(shares, torch.ones(N))
    assert torch.allclose(warp_boxes(other, FLIP)[0], boxes)


def test_there_and_back_is_nothing() -> None:
    _, geometry = drawn()
    points = torch.rand(N, 2) - 0.5
    there, _ = warp_points(points, geometry)
    back, _ = warp_points(there, torch.linalg.inv(geometry))
    assert torch.allclose(back, points, atol=1e-5)


def test_what_comes_from_outside_is_ignored() -> None:
    right = torch.eye(3).repeat(1, 1, 1)
    right[:, 0, 2] = -0.5  # The image moves right by a quarter.
    given = warp_masks(torch.ones(1, SIDE, SIDE, dtype=torch.int64), right, SIDE, ignore=-1)
    assert (given[..., : SIDE // 4] == -1).all()
    assert (given[..., SIDE // 4 :] == 1).all()


def test_a_box_is_cut_at_the_edge_and_says_how_much_is_left() -> None:
    right = torch.eye(3).repeat(3, 1, 1)
    right[:, 0, 2] = torch.tensor([-0.5, -1.0, -2.5])
    boxes, shares = warp_boxes(torch.tensor([[0.0, -0.5, 1.0, 0.5]]).repeat(3, 1), right)
    assert torch.allclose(shares, torch.tensor([0.5, 0.0, 0.0]))
    assert torch.allclose(boxes[0], torch.tensor([0.5, -0.5, 1.0, 0.5]))
    _, inside = warp_points(torch.tensor([[0.9, 0.0], [-0.9, 0.0], [0.0, 0.0]]), right)
    assert inside.tolist() == [False, True, False]


def test_a_flat_list_of_boxes_names_its_images() -> None:
    geometry = torch.stack([torch.eye(3), FLIP[0]])
    of = torch.tensor([1, 0, 1])
    boxes = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.5], [-1.0, -1.0, 1.0, 1.0]])
    given, _ = warp_boxes(boxes, geometry[of])
    assert torch.allclose(given, torch.tensor([[-0.5, 0.0, 0.0, 0.5], [0.0, 0.0, 0.5, 0.5], [-1.0, -1.0, 1.0, 1.0]]))


def test_pixels_and_units() -> None:
    assert to_unit(torch.tensor([0.0, 48.0, 96.0]), 96).tolist() == [-1.0, 0.0, 1.0]
    places = torch.rand(20, 4) * 96
    assert torch.allclose(to_pixels(to_unit(places, 96), 96), places, atol=1e-4)


def test_a_mirrored_sample_is_known() -> None:
    augment = made(*GEOMETRY)
    found = augment.draw(np.zeros(N, np.int64), seed=0, epoch=0, keys=keys(IDS))
    flips = made(GEOMETRY[0]).draw(np.zeros(N, np.int64), seed=0, epoch=0, keys=keys(IDS))
    assert torch.equal(mirrored(found.geometry), flips.geometry[:, 0, 0] < 0)
    assert 5 < mirrored(found.geometry).sum() < 35


def test_masks_keep_their_type_and_large_numbers() -> None:
    for kind in (torch.uint8, torch.int64, torch.int32):
        masks = torch.full((2, 16, 16), 200, dtype=kind)
        given = warp_masks(masks, torch.eye(3).repeat(2, 1, 1), 32)
        assert given.dtype == kind
        assert (given == 200).all()
