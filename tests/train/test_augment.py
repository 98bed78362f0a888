"""Augmentation: of each sample for itself, by one warp, and as torchvision does it where the two can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as V

from snellen.recipe import Recipe
from snellen.shelf import AUGMENTS
from snellen.train.augment import Augmenter, augmenter, grid, plain
from snellen.train.draws import keys, uniforms
from snellen.train.warp import changed

SIDE = 48
MEAN, STD = (0.0,) * 3, (1.0,) * 3
LINEAR = InterpolationMode.BILINEAR


def golden(count: int = 1) -> np.ndarray:
    """A smooth image with a different pattern in each channel, [n, s, s, 3]; the copies are shifted against each other."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    waves = [np.sin(5 * x + 2 * y), np.cos(7 * y - x), np.sin(4 * (x - 0.3) ** 2 + 6 * y)]
    image = np.stack([127 + 90 * wave for wave in waves], axis=-1)
    return np.stack([np.roll(image, 7 * i, axis=1) for i in range(count)]).astype(np.uint8)


def made(
    *parts: dict[str, Any], size: int = SIDE, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD
) -> Augmenter:
    recipe = Recipe().change({"augment.parts": list(parts), "data.size": size}).resolve()
    return augmenter(recipe, ("a", "b"), mean, std)


def applied(augment: Augmenter, pixels: np.ndarray, ids: Sequence[str] = ("a",), *, epoch: int = 0) -> Tensor:
    return augment(pixels, np.zeros(len(pixels), np.int64), seed=0, epoch=epoch, keys=keys(ids))


def drawn(name: str, count: int, id_: str = "a") -> list[float]:
    return uniforms(0, 0, keys([id_]), count)[0].astype(float).tolist()


def image_of(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels[0]).permute(2, 0, 1).float() / 255


def inner(image: Tensor, edge: int = 12) -> Tensor:
    return image[..., edge:-edge, edge:-edge]


every = pytest.mark.parametrize("name", AUGMENTS.names())


@every
def test_a_sample_does_not_depend_on_its_neighbours(name: str) -> None:
    augment, pixels, ids = made({"name": name}), golden(5), [f"s{i}" for i in range(5)]
    whole = applied(augment, pixels, ids)
    order = [3, 0, 4, 2, 1]
    assert torch.equal(applied(augment, pixels[order], [ids[i] for i in order]), whole[order])
    for row in range(5):
        assert torch.equal(applied(augment, pixels[row : row + 1], ids[row : row + 1])[0], whole[row])


def test_all_parts_together_leave_the_samples_apart() -> None:
    augment = made(*({"name": name} for name in AUGMENTS.names()))
    pixels, ids = golden(6), [f"s{i}" for i in range(6)]
    whole = applied(augment, pixels, ids)
    for row in range(6):
        assert torch.allclose(applied(augment, pixels[row : row + 1], ids[row : row + 1])[0], whole[row], atol=1e-6)


def test_threads_do_not_change_a_bit() -> None:
    """Whole images are dealt out to threads."""
    parts = [{"name": name} for name in ("flip", "crop", "rotate", "hue_saturation", "brightness_contrast")]
    augment, pixels, ids = made(*parts), golden(17), [f"s{i}" for i in range(17)]
    threads, found = torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        found.append(applied(augment, pixels, ids))
    torch.set_num_threads(threads)
    assert torch.equal(*found)


@pytest.mark.parametrize(("size", "side"), [(48, 48), (32, 48), (65, 48)])
def test_the_warp_is_torchs(size: int, side: int) -> None:
    """Any geometry, also beyond the edge."""
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (9, side, side, 3), dtype=np.uint8)
    geometry = torch.eye(3).repeat(9, 1, 1)
    geometry[:, :2] += torch.from_numpy(chance.normal(0, 0.4, (9, 2, 3))).float()
    found = torch.from_numpy(changed(pixels, geometry, torch.eye(3, 4).repeat(9, 1, 1), size)).permute(0, 3, 1, 2)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    expected = torch.nn.functional.grid_sample(
        images, grid(geometry, size), mode="bilinear", padding_mode="reflection", align_corners=False
    )
    assert torch.allclose(found, expected, atol=2e-4)


@every
def test_an_epoch_and_a_seed_draw_anew(name: str) -> None:
    augment, pixels = made({"name": name}), golden(1).repeat(16, axis=0)
    ids = [f"s{i}" for i in range(16)]
    first = applied(augment, pixels, ids)
    assert torch.equal(applied(augment, pixels, ids), first)
    assert not torch.equal(applied(augment, pixels, ids, epoch=1), first)
    other = augment(pixels, np.zeros(16, np.int64), seed=1, epoch=0, keys=keys(ids))
    assert not torch.equal(other, first)


@pytest.mark.parametrize("size", [SIDE, 32, 64])
def test_without_parts_training_sees_what_evaluation_sees(size: int) -> None:
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
    pixels = golden(3)
    given = applied(made(size=size, mean=mean, std=std), pixels, ["a", "b", "c"])
    assert torch.equal(given, plain(pixels, size, mean, std))
    expected = V.normalize(V.resize(image_of(pixels), [size, size], antialias=True), list(mean), list(std))
    assert torch.allclose(given[0], expected, atol=1e-5)


def test_the_input_is_the_stored_pixels_scaled() -> None:
    pixels = golden()
    before = pixels.copy()
    assert torch.allclose(plain(pixels, SIDE, MEAN, STD)[0], image_of(pixels), atol=1e-7)
    applied(made({"name": "flip"}, {"name": "salt_pepper"}), pixels)
    assert np.array_equal(pixels, before)


def test_flip_is_torchvisions() -> None:
    given = applied(made({"name": "flip", "settings": {"chance": 1.0}}), golden())
    assert torch.allclose(given[0], V.horizontal_flip(image_of(golden())), atol=1e-5)
    given = applied(made({"name": "flip", "settings": {"chance": 0.0}}), golden())
    assert torch.allclose(given[0], image_of(golden()), atol=1e-5)


@pytest.mark.parametrize("degrees", [10.0, 30.0])
def test_rotation_is_torchvisions(degrees: float) -> None:
    given = applied(made({"name": "rotate", "settings": {"degrees": degrees}}), golden())
    angle = (2 * drawn("rotate", 1)[0] - 1) * degrees
    assert abs(angle) > 1
    expected = V.rotate(image_of(golden()), angle, interpolation=LINEAR)
    assert torch.allclose(inner(given[0]), inner(expected), atol=2e-3)
    assert not torch.allclose(inner(given[0]), inner(image_of(golden())), atol=2e-2)


def test_crop_is_torchvisions() -> None:
    given = applied(made({"name": "crop", "settings": {"low": 0.3, "high": 0.6}}), golden())
    area, skew, x, y = drawn("crop", 4)
    side = (0.3 + 0.3 * area) ** 0.5
    ratio = 1.333 ** ((2 * skew - 1) / 2)
    width, height = min(side * ratio, 1.0) * SIDE, min(side / ratio, 1.0) * SIDE
    left, top = x * (SIDE - width), y * (SIDE - height)
    # torchvision crops whole pixels: enlarged tenfold, a whole pixel is fine enough.
    fine = V.resize(image_of(golden()), [SIDE * 10] * 2, antialias=False)
    box = [round(value * 10) for value in (top, left, height, width)]
    expected = V.resized_crop(fine, *box, [SIDE, SIDE], antialias=False)
    assert torch.allclose(inner(given[0], 4), inner(expected, 4), atol=1e-2)
    assert not torch.allclose(inner(given[0], 4), inner(image_of(golden()), 4), atol=1e-1)


def test_shift_is_torchvisions() -> None:
    given = applied(made({"name": "shift", "settings": {"share": 0.2}}), golden())
    x, y = ((2 * u - 1) * 0.2 * SIDE for u in drawn("shift", 2))
    expected = V.affine(image_of(golden()), angle=0, translate=[-x, -y], scale=1, shear=[0, 0], interpolation=LINEAR)
    assert torch.allclose(inner(given[0]), inner(expected), atol=2e-3)


def test_zoom_is_torchvisions() -> None:
    given = applied(made({"name": "zoom", "settings": {"share": 0.2}}), golden())
    scale = 1 + (2 * drawn("zoom", 1)[0] - 1) * 0.2
    expected = V.affine(
        image_of(golden()), angle=0, translate=[0, 0], scale=1 / scale, shear=[0, 0], interpolation=LINEAR
    )
    assert torch.allclose(inner(given[0]), inner(expected), atol=2e-3)


def test_brightness_is_torchvisions() -> None:
    part = {"name": "brightness_contrast", "settings": {"brightness": 0.4, "contrast": 0.0}}
    given = applied(made(part), golden())
    light = 1 + (2 * drawn("brightness_contrast", 2)[0] - 1) * 0.4
    assert torch.allclose(given[0], V.adjust_brightness(image_of(golden()), light), atol=1e-5)


def test_geometry_composes_into_one_warp() -> None:
    """Flipping twice is nothing, also to the bit of an interpolation."""
    flip = {"name": "flip", "settings": {"chance": 1.0}}
    assert torch.allclose(applied(made(flip, flip), golden())[0], image_of(golden()), atol=1e-5)


def test_aimed_parts_meet_their_class_only() -> None:
    aimed = [{"name": "flip", "settings": {"chance": 1.0}, "classes": ["b"]}]
    recipe = Recipe().change({"augment.aimed": aimed, "augment.parts": [], "data.size": SIDE}).resolve()
    augment = augmenter(recipe, ("a", "b"), MEAN, STD)
    given = augment(golden(2), np.asarray([0, 1]), seed=0, epoch=0, keys=keys(["x", "y"]))
    assert torch.allclose(given[0], image_of(golden(2)[:1]), atol=1e-5)
    assert torch.allclose(given[1], V.horizontal_flip(image_of(golden(2)[1:])), atol=1e-5)


def test_colours_stay_between_0_and_1() -> None:
    part = {"name": "brightness_contrast", "settings": {"brightness": 0.9, "contrast": 0.9}}
    given = applied(made(part), golden(8), [f"s{i}" for i in range(8)])
    assert given.min() >= 0
    assert given.max() <= 1


def test_the_job_uses_the_backbones_normalisation(job) -> None:
    work = job(tiny.recipe())
    about = work.model.pretrained_cfg
    assert work.normal == (tuple(about["mean"]), tuple(about["std"]))
