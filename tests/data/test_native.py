"""Images at their own size: decoded once, by the rules of decoding, and read back as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.native import open_native
from snellen.data.pixels import open_pixels
from snellen.data.read import read
from snellen.values import SnellenError

SIZES = {"train/宽 图.png": (40, 17), "train/b.png": (8, 60), "val/c.jpg": (33, 33), "val/turned.jpg": (24, 12)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(chance.integers(0, 256, (height, width, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x0112] = 6 if "turned" in name else 1
        image.save(path, quality=95, exif=exif)
    return tmp_path / "images"


def measured(folder: Path, cache: Path) -> Catalog:
    return open_pixels(read([folder], task="images"), size=16, cache=cache)[0]


def test_images_keep_their_size(folder: Path, tmp_path: Path) -> None:
    catalog = measured(folder, tmp_path / "cache")
    assert catalog.task == "images"
    assert catalog.counts("split") == {"train": 2, "val": 2}
    native = open_native(catalog, cache=tmp_path / "cache")
    contents = dict(zip(catalog.column("path"), catalog.column("content"), strict=True))
    for name, (width, height) in SIZES.items():
        pixels = native.image(contents[name])
        turned = "turned" in name
        assert pixels.shape == ((width, height, 3) if turned else (height, width, 3))
        with Image.open(folder / name) as image:
            wanted = np.asarray(image.rotate(-90, expand=True) if turned else image)
        assert np.array_equal(pixels, wanted)
    with pytest.raises(SnellenError, match="no stored pixels"):
        native.image("unknown")


def test_the_store_is_reused_and_a_damaged_one_built_anew(folder: Path, tmp_path: Path) -> None:
    catalog = measured(folder, tmp_path / "cache")
    first = open_native(catalog, cache=tmp_path / "cache")
    content = str(catalog.column("content")[0])
    wanted = first.image(content).copy()
    (path,) = (tmp_path / "cache").glob("pixels/native-*/pixels.npy")
    before = path.stat().st_mtime_ns
    open_native(catalog, cache=tmp_path / "cache")
    assert path.stat().st_mtime_ns == before
    path.write_bytes(path.read_bytes()[:500])
    again = open_native(catalog, cache=tmp_path / "cache")
    assert np.array_equal(again.image(content), wanted)


def test_an_image_that_changed_meanwhile_is_refused(folder: Path, tmp_path: Path) -> None:
    catalog = measured(folder, tmp_path / "cache")
    Image.new("RGB", (5, 5)).save(folder / "train/b.png")
    with pytest.raises(SnellenError, match="5 x 5 pixels now"):
        open_native(catalog, cache=tmp_path / "cache")
    (folder / "train/b.png").write_bytes(b"no image")
    with pytest.raises(SnellenError, match="cannot now"):
        open_native(catalog, cache=tmp_path / "cache")


def test_the_wanted_images_of_pairs_are_taken(tmp_path: Path) -> None:
    for role in ("HR", "LRx2", "noisy25"):
        for split in ("train", "test"):
            (tmp_path / role / split).mkdir(parents=True)
            for name in "ab":
                Image.new("RGB", (8, 8), (ord(name), len(role), len(split))).save(
                    tmp_path / role / split / f"{name}.png"
                )
    catalog = read([tmp_path], task="images")
    assert sorted(catalog.column("path")) == ["HR/test/a.png", "HR/test/b.png", "HR/train/a.png", "HR/train/b.png"]
    assert catalog.counts("split") == {"test": 2, "train": 2}
    assert any("made worse" in note["text"] for note in catalog.about("notes"))
    # Where nobody asks for images alone, the pairs are what there is to read.
    assert read([tmp_path]).task == "restoration"
