"""Windows: a crop of a small image is proposed beside its original, whatever an embedding says of it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from snellen.data.pixels import Pixels
from snellen.data.windows import PROPOSED, parts

SIDE = 28


def blobs(count: int, seed: int) -> list[Image.Image]:
    """Small images with a few large shapes, as handwriting and pictograms have them."""
    chance = np.random.default_rng(seed)
    planes = [Image.fromarray(chance.uniform(0, 255, (6, 6)).astype(np.float32)) for _ in range(count)]
    large = [np.asarray(plane.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for plane in planes]
    return [Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8)).convert("RGB") for plane in large]


def stored(images: list[Image.Image]) -> Pixels:
    squares = [np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC)) for image in images]
    return Pixels(np.stack(squares), {f"c{number}": number for number in range(len(images))})


@pytest.mark.parametrize("box", [(0, 0, 23, 23), (4, 2, 28, 26), (2, 5, 27, 28), (1, 1, 27, 27)])
def test_a_crop_is_proposed(box: tuple[int, int, int, int]) -> None:
    images = blobs(60, seed=1)
    crops = [image.crop(box) for image in images[:8]]
    pairs, shares = parts(stored([*images, *crops]), np.arange(68))
    assert {(row, 60 + row) for row in range(8)} <= {tuple(pair) for pair in pairs.tolist()}
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(np.unique(pairs, axis=0)) == len(pairs) == len(shares)
    assert len(pairs) <= PROPOSED * 68
    assert ((shares >= -1e-6) & (shares <= 0.5)).all()


def test_strangers_are_hardly_ever_proposed() -> None:
    pairs, _ = parts(stored(blobs(80, seed=2)), np.arange(80))
    assert len(pairs) < 40


def test_it_is_asked_of_some_rows_only() -> None:
    images = blobs(40, seed=3)
    pixels = stored([*images, images[5].crop((2, 2, 28, 28))])
    pairs, _ = parts(pixels, np.asarray([40, *range(30)]))
    assert [0, 6] in pairs.tolist()
    assert parts(pixels, np.asarray([3]))[0].shape == (0, 2)


def test_what_is_plain_is_no_pattern() -> None:
    plain = [Image.new("RGB", (SIDE, SIDE), (value, value, value)) for value in (10, 90, 200)]
    pairs, _ = parts(stored([*plain, *blobs(20, seed=4)]), np.arange(23))
    assert not [pair for pair in pairs.tolist() if pair[0] < 3 and pair[1] < 3]
