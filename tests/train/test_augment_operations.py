"""Every operation beside torchvision's, on a golden image at several strengths.

torchvision works on 8-bit images and cuts off fractions after each step; here values stay fractions. So they may differ by
one level (1/255) where torchvision cuts once, and by as much more as the steps before that are enlarged. Where both are
exact on 8 bits the tolerance is that of a float32. Warps are compared where both see the image itself: beyond its edge
torchvision is black, here the image is mirrored.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from pictures import LEVEL, SIDE, applied, drawn, eight_bit, golden, made
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as V

EXACT = 1e-6
LINEAR = InterpolationMode.BILINEAR
# Bilinear weights are float32 of coordinates up to 96: 1e-5 of a pixel, times the steepest edge.
WARP = 5e-4


def sign(u: float) -> float:
    return -1.0 if u < 0.5 else 1.0


def policy_image(name: str, magnitude: float) -> tuple[Tensor, float]:
    """The golden image after one operation of RandAugment, and the direction that was drawn."""
    part = {"name": "randaugment", "settings": {"ops": 1, "magnitude": magnitude, "among": [name]}}
    return applied(made(part), golden())[0], sign(drawn(16)[1])


# Operation, torchvision's own with the published strength (s: 0..1 of the largest, with its sign), tolerance.
TONES: dict[str, tuple[Callable[[Tensor, float], Tensor], float]] = {
    # One cut.
    "brightness": (lambda image, s: V.adjust_brightness(image, 1 + 0.9 * s), 1.01 * LEVEL),
    # The grey is cut to a level and its weights are 0.2989 instead of 0.299; then the mix is cut.
    "saturation": (lambda image, s: V.adjust_saturation(image, 1 + 0.9 * s), 2.1 * LEVEL),
    "contrast": (lambda image, s: V.adjust_contrast(image, 1 + 0.9 * s), 2.1 * LEVEL),
    # The smooth image is rounded to a level; then the mix is cut.
    "sharpness": (lambda image, s: V.adjust_sharpness(image, 1 + 0.9 * s), 1.6 * LEVEL),
    "posterize": (lambda image, s: V.posterize(image, round(8 - 4 * abs(s))), EXACT),
    "solarize": (lambda image, s: V.solarize(image, 255 * (1 - abs(s))), EXACT),
    "autocontrast": (lambda image, s: V.autocontrast(image), 1.01 * LEVEL),
    "equalize": (lambda image, s: V.equalize(image), EXACT),
}
SHIFT = 150 / 331
WARPS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "shear_x": lambda image, s: affine(image, shear=[math.degrees(math.atan(0.3 * s)), 0.0], center=[0, 0]),
    "shear_y": lambda image, s: affine(image, shear=[0.0, math.degrees(math.atan(0.3 * s))], center=[0, 0]),
    "rotate": lambda image, s: V.rotate(image, 30 * s, interpolation=LINEAR),
}


def affine(
    image: Tensor,
    *,
    shear: tuple[float, float] | list[float] = (0.0, 0.0),
    translate: tuple[int, int] | list[int] = (0, 0),
    center: list[float] | None = None,
) -> Tensor:
    return V.affine(image, 0.0, list(translate), 1.0, list(shear), interpolation=LINEAR, center=center)


@pytest.mark.parametrize("magnitude", [4.0, 9.0, 17.0, 29.0])
@pytest.mark.parametrize("name", TONES)
def test_a_tone_of_the_policies_is_torchvisions(name: str, magnitude: float) -> None:
    given, direction = policy_image(name, magnitude)
    function, tolerance = TONES[name]
    expected = function(eight_bit(golden()), direction * magnitude / 30).float() / 255
    assert (given - expected).abs().max() <= tolerance
    # Seven of eight bits is a change of one level.
    assert (given - eight_bit(golden()) / 255).abs().max() > 0.9 * LEVEL


@pytest.mark.parametrize("magnitude", [4.0, 9.0, 30.0])
@pytest.mark.parametrize("name", WARPS)
def test_a_warp_of_the_policies_is_torchvisions(name: str, magnitude: float) -> None:
    given, direction = policy_image(name, magnitude)
    image = eight_bit(golden()) / 255
    compare(given, image, lambda source: WARPS[name](source, direction * magnitude / 30))


@pytest.mark.parametrize(("name", "axis"), [("translate_x", 0), ("translate_y", 1)])
@pytest.mark.parametrize("pixels", [4, 31])
def test_translation_of_the_policies_is_torchvisions(name: str, axis: int, pixels: int) -> None:
    # torchvision cuts translations to whole pixels, so the magnitude is chosen to be one.
    given, direction = policy_image(name, 30 * pixels / SIDE / SHIFT)
    way = [0, 0]
    way[axis] = round(direction * pixels)
    compare(given, eight_bit(golden()) / 255, lambda source: affine(source, translate=way))


def compare(given: Tensor, image: Tensor, warp: Callable[[Tensor], Tensor], tolerance: float = WARP) -> None:
    """Alike where torchvision's result comes from inside of the image alone; and something has moved."""
    inside = warp(torch.ones_like(image)) > 0.9999
    assert inside.float().mean() > 0.3
    assert (given - warp(image))[inside].abs().max() <= tolerance
    assert (given - image)[inside].abs().max() > 10 * LEVEL


def test_what_lies_beyond_the_edge_is_mirrored() -> None:
    given, direction = policy_image("translate_x", 30 * 8 / SIDE / SHIFT)
    image = eight_bit(golden()) / 255
    mirror = image.flip(2)
    expected = torch.cat([mirror[..., -8:], image[..., :-8]] if direction > 0 else [image[..., 8:], mirror[..., :8]], 2)
    assert torch.allclose(given, expected, atol=WARP)


def part_image(name: str, **settings: float) -> Tensor:
    return applied(made({"name": name, "settings": settings}), golden())[0]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_shear_is_torchvisions_about_the_centre(share: float) -> None:
    x, y = ((2 * u - 1) * share for u in drawn(2))
    middle = [SIDE / 2, SIDE / 2]
    image = eight_bit(golden()) / 255

    def two(source: Tensor) -> Tensor:
        # The part shears x of what is sheared in y: one warp of the product, so it is compared as one.
        matrix = torch.tensor([[1.0, x], [0.0, 1.0]]) @ torch.tensor([[1.0, 0.0], [y, 1.0]])
        places = (torch.arange(SIDE) + 0.5 - middle[0]).repeat(SIDE, 1)
        look = torch.einsum("ij,jhw->ihw", matrix, torch.stack([places, places.T])) / middle[0]
        return torch.nn.functional.grid_sample(source[None], look.permute(1, 2, 0)[None], align_corners=False)[0]

    compare(part_image("shear", share=share), image, two)


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0, 4.0])
def test_sharpness_is_torchvisions(factor: float) -> None:
    given = part_image("sharpness", low=factor, high=factor, chance=1.0)
    expected = V.adjust_sharpness(eight_bit(golden()), factor).float() / 255
    # The smooth image is off by half a level at most, times |1 - factor|; the end is cut by up to one.
    assert (given - expected).abs().max() <= (0.5 * abs(1 - factor) + 1.01) * LEVEL


@pytest.mark.parametrize("bits", [1, 4, 6])
def test_posterize_is_torchvisions(bits: int) -> None:
    kept = math.floor(bits + drawn(2)[1] * (8 - bits))
    assert bits <= kept <= 7
    given = part_image("posterize", bits=bits, chance=1.0)
    assert torch.allclose(given, V.posterize(eight_bit(golden()), kept) / 255, atol=EXACT)


@pytest.mark.parametrize("low", [0.1, 0.5])
def test_solarize_is_torchvisions(low: float) -> None:
    given = part_image("solarize", low=low, chance=1.0)
    threshold = low + drawn(2)[1] * (1 - low)
    assert torch.allclose(given, V.solarize(eight_bit(golden()), 255 * threshold) / 255, atol=EXACT)


@pytest.mark.parametrize(("name", "function"), [("equalize", V.equalize), ("invert", V.invert)])
def test_whole_levels_are_torchvisions(name: str, function: Callable[[Tensor], Tensor]) -> None:
    given = part_image(name, chance=1.0)
    assert torch.allclose(given, function(eight_bit(golden())) / 255, atol=EXACT)


def test_autocontrast_is_torchvisions() -> None:
    # Cut once on 8 bits; the same on fractions.
    given = part_image("autocontrast", chance=1.0)
    assert (given - V.autocontrast(eight_bit(golden())) / 255).abs().max() <= 1.01 * LEVEL
    assert torch.allclose(given, V.autocontrast(eight_bit(golden()) / 255), atol=EXACT)


@pytest.mark.parametrize("amount", [0.2, 0.8])
def test_contrast_is_torchvisions(amount: float) -> None:
    given = part_image("contrast", amount=amount)
    factor = 1 - amount + 2 * amount * drawn(1)[0]
    # Weights of 0.2989 and 0.299 move the grey mean by up to 1e-4.
    assert torch.allclose(given, V.adjust_contrast(eight_bit(golden()) / 255, factor), atol=1e-4)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
def test_blur_is_torchvisions(sigma: float) -> None:
    given = part_image("blur", low=sigma, high=sigma, chance=1.0)
    side = 2 * max(1, math.ceil(2 * sigma)) + 1
    assert torch.allclose(given, V.gaussian_blur(eight_bit(golden()) / 255, [side, side], [sigma, sigma]), atol=1e-5)


@pytest.mark.parametrize("share", [0.4, 0.9])
def test_saturation_is_torchvisions(share: float) -> None:
    given = part_image("hue_saturation", hue=0.0, low=1 - share, high=1 + share)
    factor = 1 - share + 2 * share * drawn(2)[1]
    assert torch.allclose(given, V.adjust_saturation(eight_bit(golden()) / 255, factor), atol=2e-4)


@pytest.mark.parametrize("name", ["equalize", "autocontrast", "contrast"])
def test_an_image_of_one_value_stays(name: str) -> None:
    flat = np.full((1, SIDE, SIDE, 3), 90, np.uint8)
    assert torch.allclose(applied(made({"name": name}), flat), torch.tensor(90 / 255), atol=1e-6)


def test_noise_has_the_stated_spread() -> None:
    grey = np.full((4, SIDE, SIDE, 3), 128, np.uint8)
    ids = ["a", "b", "c", "d"]
    given = applied(made({"name": "gaussian_noise", "settings": {"sd": 0.1}}), grey, ids) - 128 / 255
    for row, name in enumerate(ids):
        spread = 0.1 * drawn(2, name)[1]
        assert abs(float(given[row].std()) - spread) < 0.05 * spread
        assert abs(float(given[row].mean())) < 0.02 * 0.1
    pairs = torch.corrcoef(given.flatten(1))[~torch.eye(4, dtype=torch.bool)]
    assert pairs.abs().max() < 0.05


def test_salt_and_pepper_has_the_stated_share() -> None:
    grey = np.full((1, SIDE, SIDE, 3), 128, np.uint8)
    given = applied(made({"name": "salt_pepper", "settings": {"share": 0.5}}), grey)[0]
    share = 0.5 * drawn(2)[1]
    for value in (0.0, 1.0):
        assert abs(float((given == value).float().mean()) - share / 2) < 0.02
    assert torch.equal((given == 0).all(dim=0), (given == 0).any(dim=0))
