"""Annotations: objects of all samples as one flat table, and values beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snellen.annotations import Objects, objects_column, per_object, read_per_object
from snellen.catalog import Catalog, MissingSignal

DRAWN = [
    [{"key": "1", "label": "cat", "box": [0, 1, 2, 3]}, {"key": "2", "label": "dog", "polygons": [[1, 2, 3, 4, 5, 6]]}],
    [],
    [{"key": "3", "label": "cat", "box": [4, 4, 9, 9], "keypoints": [1, 2, 2, 0, 0, 0], "problem": "unknown class"}],
]


@pytest.fixture
def catalog() -> Catalog:
    rows = Catalog.of_rows([{"id": name} for name in "abc"])
    return rows.with_columns({"objects": objects_column(DRAWN)}).with_about({"task": "detection"})


def test_objects_are_one_table_over_all_samples(catalog: Catalog) -> None:
    objects = Objects.of(catalog)
    assert objects.row.tolist() == [0, 0, 2]
    assert objects.label.tolist() == ["cat", "dog", "cat"]
    assert objects.usable.tolist() == [True, False, False]  # No box; a problem.
    assert objects.polygons()[1][0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert objects.keypoints()[2].tolist() == [[1, 2, 2], [0, 0, 0]]
    assert objects.where(objects.label == "cat").key.tolist() == ["1", "3"]


def test_rows_that_are_taken_keep_their_objects_and_values(catalog: Catalog) -> None:
    measured = catalog.with_columns({"object_iou": per_object(catalog, np.asarray([0.1, 0.2, 0.3]))})
    turned = measured.take([2, 1, 0])
    assert Objects.of(turned).key.tolist() == ["3", "1", "2"]
    assert read_per_object(turned, "object_iou").tolist() == [0.3, 0.1, 0.2]
    assert Objects.of(measured.where([False, True, True])).row.tolist() == [1]


def test_a_saved_catalog_comes_back_with_all(catalog: Catalog, tmp_path: Path) -> None:
    catalog.save(tmp_path / "catalog.parquet")
    back = Catalog.load(tmp_path / "catalog.parquet")
    assert back.task == "detection"
    assert str(Objects.of(back).table.to_pylist()) == str(Objects.of(catalog).table.to_pylist())
    assert np.isnan(Objects.of(back).box[1]).all()


def test_no_objects_at_all(catalog: Catalog) -> None:
    assert len(Objects.of(catalog.take([1]))) == 0
    assert len(Objects.of(catalog.take([]))) == 0
    with pytest.raises(MissingSignal, match="objects"):
        Objects.of(catalog.drop_columns(["objects"]))
