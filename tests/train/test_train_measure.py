"""The whole measurement on real photographs with faults planted here: each image once through the network, all columns right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tiny
from sklearn.metrics import average_precision_score

from snellen.catalog import Catalog
from snellen.data.duplicates import near_clusters
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.examine import audit
from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.train.machine import Setting
from snellen.train.measure import measure

SIDE = 160


@pytest.fixture(scope="module")
def planted(
    shared: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Catalog, np.ndarray, np.ndarray]:
    """The measured catalog, the rows whose label was turned, and the rows that were given a patch."""
    catalog, pixels = open_pixels(read((shared("stamps_cls"),)), size=SIDE, cache=tmp_path_factory.mktemp("pixels"))
    catalog = catalog.with_columns({"near": near_clusters(catalog)})
    targets = catalog.column("target").astype(str).astype(object)
    train = np.flatnonzero(
        (catalog.column("split").astype(str) == "train") & (catalog.column("verdict").astype(str) == "ok")
    )
    chance = np.random.default_rng(5)
    turned = np.sort(chance.choice(train, 24, replace=False))
    names = np.unique(targets[train].astype(str))
    for row in turned:
        targets[row] = chance.choice(names[names != targets[row]])
    patched = train[targets[train] == "fruit"][:16]
    images = np.array(pixels.array)
    for row in pixels.rows_of(catalog.take(patched)):
        images[row, 4:14, 4:14] = (20, 240, 60)
    catalog = catalog.with_columns({"target": pa.array(targets.tolist(), type=pa.string())})
    model = TASKS.pick("classification")().model(Recipe(), catalog.classes)
    return measure(catalog, Pixels(images, pixels.index), model, Setting(), size=SIDE), turned, patched


def test_turned_labels_rank_first(planted: tuple[Catalog, np.ndarray, np.ndarray]) -> None:
    catalog, turned, _ = planted
    judged = np.isfinite(catalog.column("label_quality"))
    assert judged.all()
    judged = catalog.column("split").astype(str) == "train"
    wrong = np.isin(np.arange(len(catalog)), turned)
    for name in ("label_quality", "label_margin"):
        assert average_precision_score(wrong[judged], -catalog.column(name)[judged]) > 0.7, name
    assert (catalog.column("suggested").astype(str)[turned] != "").mean() > 0.8


def test_the_rules_say_what_was_planted_and_little_else(planted: tuple[Catalog, np.ndarray, np.ndarray]) -> None:
    catalog, turned, patched = planted
    found = {finding.rule: finding for finding in audit(catalog)}
    doubted = set(catalog.rows(found["label_noise"].samples).tolist())
    assert len(doubted & set(turned)) >= 0.6 * len(turned)
    assert len(doubted & set(turned)) >= 0.5 * len(doubted)
    marked = catalog.rows(found["shortcut_marker"].samples)
    assert set(marked.tolist()) == set(patched.tolist())
    assert found["shortcut_marker"].evidence["class"] == "fruit"
    assert found["shortcut_marker"].evidence["place"] == "top left"
    assert "similar_class_names" not in found
    assert len(found["outlier_images"].samples if "outlier_images" in found else ()) <= 0.02 * len(catalog)


def test_every_column_is_there_for_every_row(planted: tuple[Catalog, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    catalog, _, _ = planted
    assert catalog.column("embedding").shape == (len(catalog), 1280)
    for name in ("map_pca", "map_tsne"):
        assert np.isfinite(catalog.column(name)).all()
    assert sum(item is not None for item in catalog.table.column("map_picture").to_pylist()) == len(catalog)
    assert catalog.column("cluster").min() >= 0
    catalog.save(tmp_path / "catalog.parquet")
    back = Catalog.load(tmp_path / "catalog.parquet").table
    assert back.schema.equals(catalog.table.schema)
    assert str(back.drop_columns(["embedding"]).to_pylist()) == str(
        catalog.table.drop_columns(["embedding"]).to_pylist()
    )


def small(**columns: list[object]) -> Catalog:
    catalog, pixels = tiny.material(train=40, val=8)
    catalog = catalog.with_columns(columns)
    model = TASKS.pick("classification")().model(tiny.recipe(), tiny.CLASSES)
    return measure(catalog, pixels, model, Setting(), size=tiny.SIDE)


def test_without_targets_images_are_measured_and_labels_are_not() -> None:
    found = small(target=[""] * 48)
    assert {"embedding", "cluster", "outlier_agreement", "map_tsne", "map_picture"} <= set(found.table.column_names)
    assert not {"label_quality", "suggested", "marker"} & set(found.table.column_names)
    assert not [finding for finding in audit(found.with_about({"task": "detection"})) if finding.rule == "label_noise"]


def test_sets_of_labels_are_judged_as_sets() -> None:
    catalog, pixels = tiny.material(train=40, val=8)
    labels = [[name, "any"] if i % 2 else [name] for i, name in enumerate(catalog.column("target"))]
    catalog = catalog.with_columns({"labels": pa.array(labels), "target": [""] * 48}).with_about({"task": "multilabel"})
    model = TASKS.pick("classification")().model(tiny.recipe(), tiny.CLASSES)
    found = measure(catalog, pixels, model, Setting(), size=tiny.SIDE)
    judged = np.isfinite(found.column("label_quality"))
    assert np.array_equal(judged, found.column("split").astype(str) == "train")
    assert found.table.column("label_missing").type == pa.list_(pa.string())


def test_rows_that_cannot_be_used_stay_empty() -> None:
    verdicts = ["ok"] * 47 + ["blank"]
    found = small(verdict=verdicts)
    assert not found.column("embedding")[47].any()
    assert found.column("cluster")[47] == -1
    assert found.column("marker")[47] == -1
    assert found.table.column("map_picture")[47].as_py() is None
    assert found.column("suggested")[47] == ""
    assert found.column("outlier_agreement")[47] == 0


@pytest.mark.parametrize("count", [0, 1, 2, 3, 12])
def test_a_handful_of_images_is_no_error(count: int) -> None:
    catalog, pixels = tiny.material(train=40, val=8)
    model = TASKS.pick("classification")().model(tiny.recipe(), tiny.CLASSES)
    found = measure(catalog.take(np.arange(count)), pixels, model, Setting(), size=tiny.SIDE)
    assert len(found) == count
    audit(found)
