"""What is measured of an image means what it says, at any size and from any format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from snellen.data.decode import decode
from snellen.data.measure import NUMBERS, measure_all

SIZE = 160


def measured(image: Image.Image, *, size: int = SIZE) -> dict:
    return measure_all([(image, image.resize((size, size), Image.Resampling.BICUBIC))])[0]


def scene(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """Blocks of colour with sharp edges between them, as things have."""
    cells = np.random.default_rng(seed).integers(30, 226, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.NEAREST)


def noisy(image: Image.Image, sigma: float) -> Image.Image:
    values = np.asarray(image, dtype=float)
    values = values + np.random.default_rng(1).normal(0, 255 * sigma, (*values.shape[:2], 1))
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def test_tones_are_those_of_the_pixels() -> None:
    pixels = np.full((128, 128, 3), 128, dtype=np.uint8)
    pixels[:32] = 255
    pixels[-13:] = 5
    found = measured(Image.fromarray(pixels), size=128)
    assert found["bright"] == pytest.approx(0.25, abs=0.01)
    assert found["dark"] == pytest.approx(13 / 128, abs=0.01)
    assert found["brightness"] == pytest.approx(pixels.mean() / 255, abs=0.005)
    assert found["contrast"] == pytest.approx(pixels.std() / 255, abs=0.005)
    assert found["low"] == pytest.approx(5 / 255, abs=0.01)
    assert found["high"] == 1


def test_every_number_is_there_and_finite() -> None:
    found = measured(scene())
    assert all(np.isfinite(found[name]) for name in NUMBERS)
    assert found["thumb"].shape == (432,)


@pytest.mark.parametrize("size", [64, 128, 160, 224])
def test_blur_grows_with_blur_and_hardly_with_contrast(size: int) -> None:
    image = scene()
    blurs = [measured(image.filter(ImageFilter.GaussianBlur(radius)), size=size)["blur"] for radius in (0, 2, 4, 8)]
    assert blurs == sorted(blurs)
    assert blurs[0] < 0.4
    assert blurs[-1] > 0.7
    faint = image.point(lambda value: 96 + value // 4)
    assert measured(faint, size=size)["blur"] == pytest.approx(blurs[0], abs=0.05)
    # The variance of the Laplacian would call the faint one blurred.
    assert measured(faint, size=size)["sharpness"] < 0.1 * measured(image, size=size)["sharpness"]


@pytest.mark.parametrize("sigma", [0.05, 0.1])
def test_noise_is_estimated_in_spite_of_edges(sigma: float) -> None:
    # At a size at which nothing is averaged.
    image = scene(128, 128)
    assert measured(image, size=128)["noise"] < 0.005
    assert measured(noisy(image, sigma), size=128)["noise"] == pytest.approx(sigma, rel=0.15)


def test_texture_in_half_of_the_image_is_no_noise() -> None:
    pixels = np.full((128, 128, 3), 120, dtype=np.uint8)
    pixels[:, :64] = np.random.default_rng(0).integers(0, 256, (128, 64, 1), dtype=np.uint8)
    assert measured(Image.fromarray(pixels), size=128)["noise"] < 0.01


def test_colour_and_its_absence() -> None:
    image = scene()
    grey = image.convert("L").convert("RGB")
    assert measured(grey)["chroma"] == 0
    assert measured(grey)["saturation"] == 0
    assert measured(image)["chroma"] > 0.3
    red = Image.new("RGB", (50, 40), (200, 100, 50))
    found = measured(red)
    assert (found["red"], found["green"], found["blue"]) == pytest.approx((200 / 255, 100 / 255, 50 / 255), abs=0.003)
    assert found["saturation"] == pytest.approx(0.75, abs=0.01)


def test_an_image_is_measured_alike_whatever_the_store_holds() -> None:
    image = scene(400, 300)
    one, other = measured(image, size=160), measured(image, size=224)
    for name in ("brightness", "contrast", "saturation", "red", "low", "high"):
        assert one[name] == pytest.approx(other[name], abs=0.04)
    # Blur sees how far the store is from the scale of looking; within one data set all images share a store.
    assert one["blur"] == pytest.approx(other["blur"], abs=0.08)
    assert np.abs(one["thumb"].astype(int) - other["thumb"]).max() <= 6
    assert bin((one["phash"] ^ other["phash"]) & (2**64 - 1)).count("1") <= 4


def test_nothing_is_enlarged_before_it_is_looked_at() -> None:
    """A sharp small image is no blurred one."""
    small = scene(48, 36)
    assert measured(small)["blur"] < 0.5
    assert measured(small.resize((480, 360), Image.Resampling.BICUBIC))["blur"] > measured(small)["blur"] + 0.15


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (2, 2), (9, 9), (10, 400), (11, 11)])
def test_small_images_have_numbers_as_far_as_they_can(shape: tuple[int, int]) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8))
    found = measured(image, size=32)
    known = [name for name in NUMBERS if np.isfinite(found[name])]
    assert set(NUMBERS) - set(known) == (set() if min(shape) >= 11 else {"blur", "noise"})


def test_thumbnails_follow_the_picture_where_cells_do_not_fit() -> None:
    """A store whose side is no multiple of the cells: the last cells lie half outside."""
    ramp = np.tile(np.linspace(0, 255, 600).astype(np.uint8)[None, :, None], (400, 1, 3))
    expected = (np.arange(12) + 0.5) * 255 / 12
    for size in (50, 100, 150, 160):
        found = measured(Image.fromarray(ramp), size=size)["thumb"].reshape(12, 12, 3)
        np.testing.assert_allclose(found[5, :, 0], expected, atol=3)


def test_a_file_tells_its_weight_and_its_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    scene().save(tmp_path / "turned.jpg", exif=exif)
    scene().save(tmp_path / "plain.png")
    exif[0x0112] = 77
    scene().save(tmp_path / "wrong.jpg", exif=exif)
    turned, plain, wrong = (decode(tmp_path / name, 64).measured for name in ("turned.jpg", "plain.png", "wrong.jpg"))
    assert [item["orientation"] for item in (turned, plain, wrong)] == [8, 1, 1]
    assert (turned["width"], turned["height"]) == (240, 320)
    assert turned["bytes"] == (tmp_path / "turned.jpg").stat().st_size


def test_a_mirrored_file_is_shown_as_it_asks(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 2
    scene().save(tmp_path / "mirrored.png", exif=exif)
    scene().transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "plain.png")
    one, other = (decode(tmp_path / f"{name}.png", 64) for name in ("mirrored", "plain"))
    np.testing.assert_array_equal(one.pixels, other.pixels)
    assert one.measured["brightness"] == other.measured["brightness"]


def test_real_photos_are_measured_in_range(shared: Callable[[str], Path]) -> None:
    files = sorted((shared("stamps_cls") / "test").rglob("*.jpg"))[:40]
    for file in files:
        found = decode(file, SIZE)
        assert found.verdict == "ok"
        assert all(0 <= found.measured[name] <= 1 for name in NUMBERS)
