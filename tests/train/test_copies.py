"""Crops, mirror images, turns and encodings of a picture are that picture; other pictures are not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.duplicates import near_clusters
from snellen.data.measure import thumb
from snellen.data.pixels import Pixels
from snellen.train.alignment import turned
from snellen.train.copies import copies, limit, proposed, verified

SIDE = 96
Change = Callable[[Image.Image], Image.Image]


def scene(seed: int) -> Image.Image:
    """Shapes at every scale, as pictures have them."""
    chance = np.random.default_rng(seed)
    layers = [chance.normal(0, 40 / 2**level, (3 * 2**level, 3 * 2**level, 3)) for level in range(5)]
    whole = sum(np.asarray(_enlarged(layer)) for layer in layers) + 128
    return Image.fromarray(np.clip(whole, 0, 255).astype(np.uint8))


def _enlarged(layer: np.ndarray) -> np.ndarray:
    planes = [Image.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(layer, 2, 0)]
    return np.stack([np.asarray(plane.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for plane in planes], axis=2)


def jpeg(image: Image.Image, quality: int = 50) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def crop(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    left, top, right, bottom = (SIDE * value for value in box)
    return image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=(left, top, right, bottom))


CHANGES: dict[str, Change] = {
    "encoded": jpeg,
    "brighter": lambda image: image.point(lambda value: min(255, round(value * 1.15 + 8))),
    "mirrored": lambda image: jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "turned": lambda image: jpeg(image.transpose(Image.Transpose.ROTATE_90)),
    "cropped": lambda image: jpeg(crop(image, (0.02, 0.1, 0.9, 1.0))),
    "cropped and mirrored": lambda image: jpeg(crop(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (0.1, 0.0, 1.0, 0.93))),
}  # fmt: skip


def material(images: list[Image.Image], embedding: np.ndarray) -> tuple[Catalog, Pixels]:
    rows = [{"id": f"s{i}", "content": f"c{i:03d}"} for i in range(len(images))]
    columns = {"thumb": np.stack([thumb(image) for image in images]), "embedding": embedding.astype(np.float16)}
    pixels = Pixels(np.stack([np.asarray(image) for image in images]), {f"c{i:03d}": i for i in range(len(images))})
    return Catalog.of_rows(rows).with_columns(columns), pixels


@pytest.fixture(scope="module")
def scenes() -> list[Image.Image]:
    return [scene(seed) for seed in range(40)]


@pytest.mark.parametrize("how", CHANGES)
def test_a_changed_copy_fits_and_another_picture_does_not(how: str, scenes: list[Image.Image]) -> None:
    images = [*scenes[:8], *(CHANGES[how](image) for image in scenes[:8])]
    catalog, pixels = material(images, np.ones((16, 2)))
    pairs = np.asarray([(row, row + 8) for row in range(8)] + [(row, 8 + (row + 1) % 8) for row in range(8)])
    scores = verified(pairs, catalog.column("thumb"), pixels, np.arange(16))
    assert scores[:8].min() > 0.965
    assert scores[8:].max() < 0.8


def test_copies_join_the_clusters(scenes: list[Image.Image]) -> None:
    images = [*scenes, *(change(scenes[row]) for row, change in enumerate(CHANGES.values()))]
    embedding = np.random.default_rng(0).normal(0, 1, (len(images), 32))
    embedding[40:] = embedding[: len(CHANGES)] + 0.1 * embedding[40:]
    catalog, pixels = material(images, embedding)
    pairs = copies(catalog, pixels)
    wanted = {(row, 40 + row) for row in range(len(CHANGES))}
    assert {tuple(pair) for pair in pairs.tolist()} == wanted
    near = near_clusters(catalog, also=pairs)
    assert all(near[one] == near[other] >= 0 for one, other in wanted)
    assert (near[len(CHANGES) : 40] == -1).all()


def test_only_usable_images_of_different_content_are_compared(scenes: list[Image.Image]) -> None:
    images = [scenes[0], jpeg(scenes[0]), scenes[1], scenes[1]]
    catalog, pixels = material(images, np.ones((4, 8)) + np.eye(4, 8))
    assert copies(catalog, pixels).tolist() == [[0, 1], [2, 3]]
    changed = catalog.with_columns(
        {"verdict": ["ok", "blank", "ok", "ok"], "content": ["c000", "c001", "c002", "c002"]}
    )
    assert copies(changed, pixels).tolist() == []
    assert copies(catalog.take([0]), pixels).shape == (0, 2)


def test_a_drawing_in_another_colour_is_another_picture(scenes: list[Image.Image]) -> None:
    red = Image.merge("RGB", [scenes[0].convert("L"), *[Image.new("L", (SIDE, SIDE), 40)] * 2])
    blue = Image.merge("RGB", red.split()[::-1])
    embedding = np.random.default_rng(5).normal(0, 1, (33, 16))
    embedding[30:] = embedding[30] + 0.1 * embedding[30:]
    catalog, pixels = material([*scenes[1:31], red, blue, jpeg(red, 95)], embedding)
    assert copies(catalog, pixels).tolist() == [[30, 32]]


def test_data_of_nothing_but_copies_is_found_out(scenes: list[Image.Image]) -> None:
    """As a data set that was augmented before it was divided: no proposal is a stranger."""
    changes = [CHANGES[name] for name in ("encoded", "mirrored", "cropped")]
    images = [image for seed in range(30) for image in (scenes[seed], *(change(scenes[seed]) for change in changes))]
    chance = np.random.default_rng(3)
    embedding = np.repeat(chance.normal(0, 1, (30, 32)), 4, axis=0) + chance.normal(0, 0.1, (120, 32))
    catalog, pixels = material(images, embedding)
    near = near_clusters(catalog, also=copies(catalog, pixels))
    assert near.tolist() == np.repeat(np.arange(30), 4).tolist()


def test_frames_of_one_scene_are_no_copies(scenes: list[Image.Image]) -> None:
    """A camera that does not move, and something small that does: every two frames are nearly one picture."""
    chance = np.random.default_rng(4)
    frames = []
    for _ in range(40):
        pixels = np.array(scenes[0])
        left, top = chance.integers(0, SIDE - 24, 2)
        pixels[top : top + 24, left : left + 24] = chance.integers(0, 256, 3)
        noise = chance.normal(0, 3, pixels.shape)
        frames.append(Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8)))
    catalog, pixels = material([*frames, jpeg(frames[5], 90)], np.ones((41, 8)) + chance.normal(0, 0.1, (41, 8)))
    assert {tuple(pair) for pair in copies(catalog, pixels).tolist()} <= {(5, 40)}


def test_far_embeddings_are_not_proposed() -> None:
    chance = np.random.default_rng(1)
    points = chance.normal(0, 1, (300, 24))
    points[-10:] = points[:10] + 0.2 * points[-10:]
    found = {tuple(pair) for pair in proposed(points).tolist()}
    assert {(row, 290 + row) for row in range(10)} <= found
    assert len(found) < 450


def test_the_limit_rises_where_all_images_are_alike() -> None:
    chance = np.random.default_rng(2)
    assert limit(chance.uniform(0, 0.6, 200)) == pytest.approx(0.965)
    assert 0.97 < limit(chance.uniform(0.8, 0.96, 200)) < 0.9995
    assert limit(np.asarray([0.99])) == pytest.approx(0.965)


def test_a_plain_image_has_nothing_to_compare(scenes: list[Image.Image]) -> None:
    plain = Image.new("RGB", (SIDE, SIDE), (90, 90, 90))
    catalog, pixels = material([plain, plain, scenes[0]], np.ones((3, 2)))
    scores = verified(np.asarray([(0, 1), (0, 2)]), catalog.column("thumb"), pixels, np.arange(3))
    assert (scores == -1).all()


def test_eight_orientations() -> None:
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert len({tuple(turned(image, view).flatten().tolist()) for view in range(8)}) == 8
