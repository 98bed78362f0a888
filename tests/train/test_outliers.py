"""Outliers, the map and markers: what is planted is found, and what is ordinary is left alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.train import map as plane
from snellen.train import markers
from snellen.train.judge import Judgement
from snellen.train.outliers import in_top, outliers, strangeness
from snellen.values import FrozenMap


def catalog(count: int, **columns: np.ndarray) -> Catalog:
    rows = [{"id": f"s{i}", "path": f"{i}.png", "split": "train"} for i in range(count)]
    return Catalog.of_rows(rows).with_columns(columns)


def test_strangers_are_on_top_of_several_methods() -> None:
    chance = np.random.default_rng(0)
    points = chance.normal(0, 1, (400, 20)).astype(np.float32)
    points[:4] += 12
    brightness = chance.normal(0.5, 0.05, 400)
    brightness[:4] = 0.99
    part = catalog(400, brightness=brightness, contrast=chance.normal(0.2, 0.02, 400))
    found = outliers(part, points, Judgement.none(400))
    agreement = found["outlier_agreement"]
    assert (agreement[:4] == 3).all()
    assert (agreement[4:] >= 2).mean() < 0.01
    scores = [values for name, values in found.items() if name != "outlier_agreement"]
    assert all(((values >= 0) & (values <= 1)).all() for values in scores)
    assert {"outlier_statistics", "outlier_embedding", "outlier_dbscan"} == set(found) - {"outlier_agreement"}
    again = outliers(part, points, Judgement.none(400))
    assert all(np.array_equal(found[name], again[name]) for name in found)


def test_a_method_names_few_and_a_small_set_has_no_outliers() -> None:
    heavy = np.random.default_rng(1).standard_cauchy(1000)
    assert 0 < in_top(strangeness(heavy)).sum() <= 20
    assert strangeness(np.asarray([1.0, 2.0, 3.0, np.nan]))[1] == 0
    few = outliers(catalog(5), np.ones((5, 3), dtype=np.float32), Judgement.none(5))
    assert few["outlier_agreement"].tolist() == [0] * 5


def test_what_is_alike_lies_together_and_many_are_placed_by_their_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(2)
    codes = np.repeat(np.arange(3), 60)
    points = (np.eye(3)[codes] * 20 + chance.normal(0, 1, (180, 3))).astype(np.float32)
    monkeypatch.setattr(plane, "FITTED", 120)
    found = plane.layouts(points)
    assert {"map_pca", "map_tsne"} <= set(found)
    for name in ("map_pca", "map_tsne"):
        placed = found[name]
        assert placed.shape == (180, 2)
        middles = np.stack([placed[codes == code].mean(axis=0) for code in range(3)])
        nearest = np.linalg.norm(placed[:, None] - middles, axis=2).argmin(axis=1)
        assert (nearest == codes).mean() > 0.97
    assert np.array_equal(found["map_tsne"], plane.layouts(points)["map_tsne"])
    assert plane.layouts(np.zeros((40, 1), dtype=np.float32))["map_tsne"].tolist() == [[0, 0]] * 40


def test_pictures_go_to_what_is_suspicious_first() -> None:
    suspicious = np.zeros(50, dtype=bool)
    suspicious[40:45] = True
    chosen = plane.shown(suspicious, most=10)
    assert len(chosen) == 10
    assert set(range(40, 45)) <= set(chosen.tolist())
    (picture,) = plane.pictures(np.full((1, 64, 64, 3), 90, dtype=np.uint8))
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == (plane.SIDE, plane.SIDE)


def photos(count: int, side: int = 96) -> np.ndarray:
    """Smooth coloured noise, no two alike."""
    chance = np.random.default_rng(3)
    blobs = chance.normal(128, 50, (count, 12, 12, 3))
    return np.clip(
        np.kron(blobs, np.ones((1, side // 12, side // 12, 1))) + chance.normal(0, 6, (count, side, side, 3)), 0, 255
    ).astype(np.uint8)


def found_in(images: np.ndarray, labels: list[str]) -> tuple[list[markers.Marker], np.ndarray]:
    pixels = Pixels(images, FrozenMap({str(i): i for i in range(len(images))}))
    rows = np.arange(len(images))
    found = markers.find(pixels, rows, np.asarray(labels), rows)
    return found, markers.carriers(pixels, rows, found)


def test_a_spot_on_one_class_is_found_with_its_place_and_its_carriers() -> None:
    images, labels = photos(120), ["cat"] * 40 + ["dog"] * 40 + ["cow"] * 40
    chance = np.random.default_rng(4)
    spotted = np.arange(0, 40, 2)
    for row in [*spotted, 50]:
        images[row, 78:90, 6:18] = np.clip(chance.normal((250, 30, 200), 2, (12, 12, 3)), 0, 255)
    found, numbers = found_in(images, labels)
    assert [marker.target for marker in found] == ["cat"]
    x0, y0, x1, _ = found[0].box
    assert 0 <= x0 <= 6 / 96 + 0.04
    assert x1 <= 18 / 96 + 0.04
    assert y0 >= 78 / 96 - 0.04
    assert np.flatnonzero(numbers >= 0).tolist() == [*spotted, 50]


def test_a_border_is_a_marker_and_a_plain_background_is_none() -> None:
    images, labels = photos(80), ["a"] * 40 + ["b"] * 40
    images[:30, :7] = 12
    images[:30, -7:] = 12
    found, numbers = found_in(images, labels)
    assert [marker.target for marker in found] == ["a"]
    assert np.flatnonzero(numbers >= 0).tolist() == list(range(30))
    # The same things on one white ground in both classes: what all have in common is no marker.
    plain = np.full_like(images, 255)
    plain[:, 24:72, 24:72] = photos(80)[:, 24:72, 24:72]
    assert found_in(plain, labels)[0] == []


@pytest.mark.parametrize("labels", [["a"] * 60, [""] * 60, ["a"] * 3 + ["b"] * 57])
def test_where_nothing_can_be_compared_nothing_is_found(labels: list[str]) -> None:
    found, numbers = found_in(photos(60, side=48), labels)
    assert found == []
    assert (numbers == markers.NONE).all()


def test_copies_count_once() -> None:
    images, labels = photos(60), ["a"] * 30 + ["b"] * 30
    images[:12] = images[0]
    pixels = Pixels(images, FrozenMap({str(i): i for i in range(60)}))
    groups = np.arange(60)
    groups[:12] = 0
    assert markers.find(pixels, np.arange(60), np.asarray(labels), groups) == []
