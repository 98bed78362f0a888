"""Near duplicates are found, and images that are only of one kind are not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snellen.catalog import Catalog, MissingSignal
from snellen.data.duplicates import near_clusters
from snellen.data.measure import thumb
from snellen.data.pixels import open_pixels
from snellen.data.read import read


def scene(seed: int) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((96, 96), Image.Resampling.BICUBIC)


def catalog_of(
    images: list[Image.Image], contents: list[str] | None = None, verdicts: list[str] | None = None
) -> Catalog:
    rows = [
        {
            "id": f"s{index}",
            "content": contents[index] if contents else f"c{index}",
            "verdict": verdicts[index] if verdicts else "ok",
        }
        for index in range(len(images))
    ]
    return Catalog.of_rows(rows).with_columns({"thumb": np.stack([thumb(image) for image in images])})


def jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file).convert("RGB")


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "re-encoded": jpeg,
    "brighter": lambda image: image.point(lambda value: min(255, round(value * 1.08 + 5))),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "resized": lambda image: image.resize((50, 50)).resize((96, 96)),
    "cropped": lambda image: image.crop((2, 2, 95, 95)).resize((96, 96)),
}


@pytest.mark.parametrize("how", COPIES)
def test_a_changed_copy_is_near(how: str) -> None:
    images = [scene(seed) for seed in range(30)]
    near = near_clusters(catalog_of([*images, COPIES[how](images[7])]))
    assert near[7] == near[30] == 0
    assert (np.delete(near, [7, 30]) == -1).all()


def test_different_images_stay_alone() -> None:
    assert (near_clusters(catalog_of([scene(seed) for seed in range(60)])) == -1).all()


def test_images_of_one_kind_stay_alone() -> None:
    # As with small grey product pictures: every two of them correlate above 0.97.
    base = np.asarray(scene(0), dtype=np.float64)
    variants = [np.clip(0.85 * base + 0.15 * np.asarray(scene(seed)), 0, 255) for seed in range(1, 60)]
    images = [Image.fromarray(variant.astype(np.uint8)) for variant in variants]
    assert (near_clusters(catalog_of(images)) == -1).all()


def test_equal_content_is_one_cluster_and_unusable_rows_are_alone() -> None:
    images = [scene(seed) for seed in (0, 1, 0, 2, 2)]
    found = near_clusters(catalog_of(images, ["a", "b", "a", "e", "e"], ["ok", "ok", "ok", "blank", "blank"]))
    assert found.tolist() == [0, -1, 0, -1, -1]


def test_a_long_series_of_copies_is_one_cluster() -> None:
    images = [scene(seed) for seed in range(20)]
    series = [images[3].point(lambda value, add=add: min(255, value + add)) for add in range(12)]
    found = near_clusters(catalog_of([*images, *series]))
    assert set(found[20:]) == {0}
    assert found[3] == 0


def test_numbers_follow_the_rows_and_few_rows_are_no_error() -> None:
    images = [scene(0), scene(1), scene(1), scene(0)]
    assert near_clusters(catalog_of(images, ["a", "b", "b", "a"])).tolist() == [0, 1, 1, 0]
    assert near_clusters(catalog_of(images[:1])).tolist() == [-1]
    assert near_clusters(catalog_of(images).where([False] * 4)).tolist() == []


def test_without_measurements_the_signal_is_missing() -> None:
    with pytest.raises(MissingSignal):
        near_clusters(Catalog.of_rows([{"id": "a"}, {"id": "b"}]))


@pytest.mark.parametrize(
    ("name", "least"),
    [("stamps_cls_faults", 1.0), ("grocery_small_faults", 0.95), ("fashion_mnist_small_faults", 0.93)],
)
def test_planted_copies_in_real_images(shared: Callable[[str], Path], tmp_path: Path, name: str, least: float) -> None:
    root = shared(name)
    catalog, _ = open_pixels(read([root]), size=32, cache=tmp_path)
    near = near_clusters(catalog)
    row = {path: index for index, path in enumerate(catalog.table.column("path").to_pylist())}
    faults = json.loads((root / "faults.json").read_text())["faults"]
    pairs = {tuple(sorted((row[f["path"]], row[f["source"]]))) for f in faults if "duplicate" in f["type"]}
    found = set()
    for cluster in range(near.max() + 1):
        members = np.flatnonzero(near == cluster).tolist()
        found |= {(a, b) for a in members for b in members if a < b}
    assert len(found & pairs) >= least * len(pairs)
    # One pair that nobody planted is a true one: the same shelf photographed twice.
    assert len(found - pairs) <= 1
