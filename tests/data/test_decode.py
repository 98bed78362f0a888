"""Pixels follow the stated rules, and every kind of bad file gets its verdict."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snellen.data import decode as decode_room
from snellen.data.decode import decode, decode_all, file_verdict
from snellen.data.measure import LOOK


def _texture(width: int = 64, height: int = 48) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def test_plain_image_gives_square_pixels_and_measurements(tmp_path: Path) -> None:
    Image.fromarray(_texture()).save(tmp_path / "a.png")
    found = decode(tmp_path / "a.png", 32)
    assert found.verdict == "ok"
    assert found.pixels is not None
    assert found.pixels.shape == (32, 32, 3)
    assert found.pixels.dtype == np.uint8
    assert (found.measured["width"], found.measured["height"], found.measured["mode"]) == (64, 48, "RGB")
    assert found.measured["lost"] == 0
    assert all(0 <= found.measured[name] <= 1 for name in ("brightness", "contrast", "saturation"))


def test_orientation_is_applied_and_size_is_that_of_the_upright_image(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(_texture()).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(np.rot90(_texture(), -1).copy()).save(tmp_path / "upright.png")
    turned, upright = decode(tmp_path / "turned.png", 32), decode(tmp_path / "upright.png", 32)
    assert (turned.measured["width"], turned.measured["height"]) == (48, 64)
    np.testing.assert_array_equal(turned.pixels, upright.pixels)


@pytest.mark.parametrize("factor", [1, 257])
def test_16_bit_grey_is_scaled_by_its_full_range(tmp_path: Path, factor: int) -> None:
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16) * np.uint16(factor)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    found = decode(tmp_path / "deep.png", 16)
    expected = np.rint(grey / 257)
    if factor == 1:
        # Values of 0..255 in a 16-bit file are black but for less than one grey level.
        assert found.verdict == "blank"
    else:
        np.testing.assert_array_equal(found.pixels[:, :, 0], expected)


def test_float_image_is_scaled_or_refused(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "unit.tif")
    np.testing.assert_array_equal(decode(tmp_path / "unit.tif", 16).pixels[:, :, 0].reshape(-1), np.arange(256))
    for number, wrong in enumerate((float("nan"), float("inf"), -1.0, 1e6)):
        bad = values.copy()
        bad[3, 3] = wrong
        Image.fromarray(bad).save(tmp_path / f"{number}.tif")
        assert decode(tmp_path / f"{number}.tif", 16).verdict == "unreadable"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_white(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(np.dstack([_texture(32, 32), np.full((32, 32), 255, np.uint8)]))
    image.paste((0, 0, 0, 0), (0, 0, 16, 32))
    image.convert(mode).save(tmp_path / "a.png")
    found = decode(tmp_path / "a.png", 32)
    assert (found.pixels[4:28, 2:12] == 255).all()
    assert found.pixels[:, 20:].std() > 0


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "jpg"), ("L", "png"), ("1", "png"), ("P", "gif")])
def test_other_modes_become_three_channels(tmp_path: Path, mode: str, suffix: str) -> None:
    Image.fromarray(_texture()).convert(mode).save(tmp_path / f"a.{suffix}")
    found = decode(tmp_path / f"a.{suffix}", 24)
    assert found.verdict == "ok"
    assert found.pixels.shape == (24, 24, 3)
    assert found.measured["mode"] == mode
    if mode in ("L", "1"):
        assert (found.pixels == found.pixels[:, :, :1]).all()


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 30, 30)])
def test_one_colour_is_blank(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    Image.new("RGB", (40, 40), colour).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 16).verdict == "blank"


def test_equal_luminance_is_not_blank(tmp_path: Path) -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, :16] = (100, 0, 0)
    image[:, 16:] = (0, 51, 0)
    Image.fromarray(image).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 16).verdict == "ok"


@pytest.mark.parametrize(("suffix", "share"), [("jpg", 0.5), ("png", 0.5), ("jpg", 0.9)])
def test_truncated_file_tells_what_it_lost(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    found = decode(path, 32)
    assert found.verdict == "truncated"
    assert found.pixels is None
    assert found.measured["lost"] == pytest.approx(1 - share, abs=0.15)


def test_header_that_promises_too_much_is_not_decoded(tmp_path: Path) -> None:
    for side, name in ((30_000, "huge.png"), (12_000, "large.png")):
        (tmp_path / name).write_bytes(png_header(side, side))
        assert decode(tmp_path / name, 32).verdict == "too large"


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    head = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"IDAT" + zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + head + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def test_what_is_not_a_file_with_content(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    verdicts = {
        "empty.jpg": "empty file",
        "folder.jpg": "a folder",
        "text.jpg": "not an image",
        "link.jpg": "dangling link",
        "loop.jpg": "dangling link",
        "pipe.jpg": "not a file",
        "nowhere.jpg": "missing",
    }
    assert {name: decode(tmp_path / name, 16).verdict for name in verdicts} == verdicts
    assert file_verdict(tmp_path / "text.jpg") == "ok"


def test_blur_lowers_sharpness_at_any_size(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 384, 3), dtype=np.uint8)
    sharp = Image.fromarray(noise)
    blurred = sharp.resize((24, 16)).resize((384, 256), Image.Resampling.BICUBIC)
    values = []
    for name, image in (("a", sharp), ("b", blurred)):
        image.save(tmp_path / f"{name}.png")
        values.append(decode(tmp_path / f"{name}.png", 64).measured["sharpness"])
    assert values[0] > 10 * values[1]
    assert LOOK == 128


def test_a_long_strip_is_measured_without_growing(tmp_path: Path) -> None:
    strip = np.tile(np.arange(256, dtype=np.uint8), (4, 40))
    Image.fromarray(strip).save(tmp_path / "a.png")
    found = decode(tmp_path / "a.png", 16)
    assert found.verdict == "ok"
    assert found.measured["width"] == 256 * 40


def test_large_jpeg_is_decoded_at_a_fraction_and_keeps_its_size(tmp_path: Path) -> None:
    Image.fromarray(_texture(3000, 2000)).save(tmp_path / "a.jpg")
    found = decode(tmp_path / "a.jpg", 64)
    assert (found.measured["width"], found.measured["height"]) == (3000, 2000)
    whole = np.asarray(Image.fromarray(_texture(3000, 2000)).resize((64, 64), Image.Resampling.BICUBIC), float)
    assert np.abs(found.pixels - whole).mean() < 2


def test_scaled_decoding_does_not_hurt_the_pixels(tmp_path: Path) -> None:
    """Against the same file decoded whole: no more than rounding, also where it is rich in detail."""
    chance = np.random.default_rng(0)
    rich = _texture(2000, 1500).astype(int) + chance.normal(0, 20, (1500, 2000, 1)).astype(int)
    Image.fromarray(np.clip(rich, 0, 255).astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as image:
        whole = np.asarray(image.convert("RGB").resize((160, 160), Image.Resampling.BICUBIC), float)
    assert np.abs(decode(tmp_path / "a.jpg", 160).pixels - whole).mean() < 1.5


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_the_nearest_scale_does_not_hurt_the_pixels_of_a_photo(tmp_path: Path, suffix: str) -> None:
    """480 px are brought to 240 before they become 160, the least that ENOUGH allows."""
    chance = np.random.default_rng(0)
    rich = _texture(640, 480).astype(int) + chance.normal(0, 6, (480, 640, 1)).astype(int)
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.clip(rich, 0, 255).astype(np.uint8)).save(path)
    with Image.open(path) as image:
        whole = np.asarray(image.convert("RGB").resize((160, 160), Image.Resampling.BICUBIC), float)
    assert np.abs(decode(path, 160).pixels - whole).mean() < 1.5


@pytest.mark.parametrize(
    ("size", "loaded"),
    [(64, (375, 250)), (200, (750, 500)), (333, (750, 500)), (334, (1500, 1000)), (667, (3000, 2000))],
)
def test_a_jpeg_is_scaled_while_it_is_decoded_but_never_near_what_is_wanted(
    tmp_path: Path, size: int, loaded: tuple[int, int]
) -> None:
    Image.fromarray(_texture(3000, 2000)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        decode_room._load(image, size)
        assert image.size == loaded
    assert loaded == (3000, 2000) or min(loaded) >= decode_room.ENOUGH * max(size, LOOK)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM"])
def test_damaged_bytes_give_a_verdict_and_never_an_error(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    Image.fromarray(_texture()).save(file, form)
    for _ in range(60):
        damaged = bytearray(file.getvalue())
        for place in rng.integers(0, min(200, len(damaged)), 4):
            damaged[place] = rng.integers(256)
        (tmp_path / "a.bin").write_bytes(damaged)
        assert decode(tmp_path / "a.bin", 16).verdict in {
            "ok", "blank", "truncated", "unreadable", "not an image", "too large",
        }  # fmt: skip


def _several(folder: Path) -> list[Path]:
    """Images of several shapes, with a file that is none and a blank one among them."""
    chance = np.random.default_rng(5)
    paths = []
    for number, shape in enumerate([(40, 60), (200, 300), (200, 300), (9, 9), (1, 300), (128, 128)]):
        paths.append(folder / f"{number}.png")
        Image.fromarray(chance.integers(0, 256, (*shape, 3), dtype=np.uint8)).save(paths[-1])
    (folder / "no.png").write_text("no image")
    Image.new("RGB", (30, 30), (9, 9, 9)).save(folder / "blank.png")
    return [*paths[:2], folder / "no.png", *paths[2:4], folder / "blank.png", *paths[4:]]


def test_images_decoded_together_are_what_each_is_alone(tmp_path: Path) -> None:
    paths = _several(tmp_path)
    together = decode_all(paths, 48)
    assert [one.verdict for one in together] == ["ok", "ok", "not an image", "ok", "ok", "blank", "ok", "ok"]
    for path, one in zip(paths, together, strict=True):
        alone = decode(path, 48)
        assert alone.verdict == one.verdict
        assert alone.measured.keys() == one.measured.keys()
        for name, value in one.measured.items():
            np.testing.assert_array_equal(alone.measured[name], value)
        np.testing.assert_array_equal(np.asarray(alone.pixels), np.asarray(one.pixels))


def test_an_image_that_cannot_be_measured_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths, real = _several(tmp_path), decode_room.measure_all

    def measured(pairs: list[tuple[Image.Image, Image.Image]]) -> list[dict[str, object]]:
        if any(image.size == (9, 9) for image, _ in pairs):
            raise MemoryError
        return real(pairs)

    monkeypatch.setattr(decode_room, "measure_all", measured)
    verdicts = [one.verdict for one in decode_all(paths, 48)]
    assert verdicts == ["ok", "ok", "not an image", "ok", "too large", "blank", "ok", "ok"]
