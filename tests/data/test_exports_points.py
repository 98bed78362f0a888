"""Keypoints that are not labelled stand at 0, 0 in every export, whatever was read for them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from snellen.annotations import objects_column
from snellen.catalog import Catalog
from snellen.data.exports import export

NAN = float("nan")


@pytest.fixture
def catalog() -> Catalog:
    points = [[3, 2, 2, NAN, NAN, 0], [3, 2, 1, 7, 6, 0]]
    drawn = [{"key": str(n), "label": "bird", "box": [2, 1, 8, 7], "keypoints": item} for n, item in enumerate(points)]
    row = {"id": "a", "path": "a.jpg", "root": "photos", "split": "train", "width": 16, "height": 12}
    about = {"task": "keypoints", "classes": ["bird"], "keypoints": ["beak", "tail"]}
    return Catalog.of_rows([row]).with_columns({"objects": objects_column([drawn])}).with_about(about)


def test_coco(tmp_path: Path, catalog: Catalog) -> None:
    export(catalog, tmp_path / "out", to="coco")
    document = json.loads((tmp_path / "out/annotations/instances_train.json").read_text(encoding="utf-8"))
    found = [(item["keypoints"], item["num_keypoints"]) for item in document["annotations"]]
    assert found == [([3, 2, 2, 0, 0, 0], 1), ([3, 2, 1, 0, 0, 0], 1)]


def test_yolo(tmp_path: Path, catalog: Catalog) -> None:
    export(catalog, tmp_path / "out", to="yolo")
    lines = (tmp_path / "out/labels/a.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split()[-3:] for line in lines] == [["0", "0", "0"]] * 2


def test_cvat(tmp_path: Path, catalog: Catalog) -> None:
    export(catalog, tmp_path / "out", to="cvat")
    points = list(ElementTree.parse(tmp_path / "out/annotations.xml").getroot().iter("points"))
    said = [(point.get("points"), point.get("outside"), point.get("occluded")) for point in points]
    assert said == [("3,2", "0", "0"), ("0,0", "1", "0"), ("3,2", "0", "1"), ("0,0", "1", "0")]
