"""The catalog: rows, defaults, selections, and signals that were not measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snellen.catalog import COLUMNS, Catalog, MissingSignal
from snellen.values import SnellenError

ROWS = (
    {"id": "1", "path": "a/1.jpg", "root": "/data", "target": "a", "split": "train", "meta_angle": "side"},
    {"id": "2", "path": "b/2.jpg", "root": "/data", "target": "b", "split": "train"},
    {"id": "3", "path": "b/3.jpg", "root": "/data", "target": "b", "split": "val", "verdict": "truncated"},
    {"id": "4", "path": "c/4.jpg", "root": "/data", "target": "c", "split": "val"},
)


@pytest.fixture
def catalog() -> Catalog:
    return Catalog.of_rows(ROWS)


def test_rows_take_defaults(catalog: Catalog) -> None:
    assert catalog.table.column_names == [*COLUMNS, "meta_angle"]
    assert catalog.column("verdict").tolist() == ["ok", "ok", "truncated", "ok"]
    assert catalog.column("content").tolist() == ["1", "2", "3", "4"]
    assert catalog.column("meta_angle").tolist() == ["side", "", "", ""]


def test_save_and_load(catalog: Catalog, tmp_path: Path) -> None:
    wide = catalog.with_columns(
        {"embedding": np.arange(8, dtype=np.float16).reshape(4, 2), "brightness": np.array([0.1, np.nan, 0.3, 0.4])}
    )
    wide.save(tmp_path / "c.parquet")
    back = Catalog.load(tmp_path / "c.parquet")
    assert back.ids == catalog.ids
    assert back.column("embedding").tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    np.testing.assert_array_equal(back.column("brightness"), [0.1, np.nan, 0.3, 0.4])


def test_a_column_that_was_not_measured(catalog: Catalog) -> None:
    with pytest.raises(MissingSignal, match="brightness"):
        catalog.column("brightness")


def test_selections(catalog: Catalog) -> None:
    assert catalog.of("val").ids == ("3", "4")
    assert catalog.usable().ids == ("1", "2", "4")
    assert catalog.without(["2", "unknown"]).ids == ("1", "3", "4")
    assert catalog.take([3, 0]).ids == ("4", "1")
    assert catalog.rows(["4", "2"]).tolist() == [3, 1]
    with pytest.raises(KeyError):
        catalog.rows(["9"])


def test_classes_are_those_that_training_can_learn(catalog: Catalog) -> None:
    assert catalog.classes == ("a", "b")
    assert Catalog.of_rows([{**row, "split": ""} for row in ROWS]).classes == ("a", "b", "c")


def test_counts_and_paths(catalog: Catalog) -> None:
    assert catalog.counts() == {"b": 2, "a": 1, "c": 1}
    assert list(catalog.counts("split").items()) == [("train", 2), ("val", 2)]
    assert catalog.paths()[0] == Path("/data/a/1.jpg")


def test_columns_are_replaced_and_dropped(catalog: Catalog) -> None:
    changed = catalog.with_columns({"split": np.array(["test"] * 4)})
    assert changed.counts("split") == {"test": 4}
    assert catalog.counts("split") == {"train": 2, "val": 2}
    assert not changed.drop_columns(["meta_angle", "unknown"]).has("meta_angle")


def test_an_empty_catalog() -> None:
    empty = Catalog.of_rows([])
    assert len(empty) == 0
    assert empty.classes == ()
    assert empty.counts() == {}
    assert empty.without(["1"]).ids == ()


def test_a_table_without_the_columns_is_refused(catalog: Catalog) -> None:
    with pytest.raises(SnellenError, match="lacks the columns target, split"):
        Catalog(catalog.table.drop_columns(["target", "split"]))
