"""What the rules on boxes and keypoints say, number by number, where the laws only ask whether they speak."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snellen.annotations import objects_column
from snellen.catalog import Catalog
from snellen.data.boxes import copies, overlaps, pair
from snellen.shelf import CATALOG_RULES
from snellen.testing import findings_of
from snellen.values import Finding


def coco(file: Path) -> Catalog:
    """The images and objects of one file, with the sizes that it tells."""
    told = json.loads(file.read_text(encoding="utf-8"))
    names = {item["id"]: item["name"] for item in told["categories"]}
    points = told["categories"][0].get("keypoints", [])
    objects: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in told["images"]}
    for item in told["annotations"]:
        x, y, width, height = item["bbox"]
        at = [float(value) for value in item.get("keypoints", [])]
        box = {"key": str(item["id"]), "label": names[item["category_id"]], "box": [x, y, x + width, y + height]}
        objects[item["image_id"]].append({**box, "keypoints": at})
    rows = [{"id": image["file_name"], "width": image["width"], "height": image["height"]} for image in told["images"]]
    about = {"task": "keypoints" if points else "detection", "keypoints": points}
    return Catalog.of_rows(rows).with_columns({"objects": objects_column(list(objects.values()))}).with_about(about)


def said(rule: str, catalog: Catalog) -> Finding:
    (finding,) = CATALOG_RULES.pick(rule)(catalog)
    return finding


def keys(finding: Finding) -> list[str]:
    return [item["key"] for item in finding.evidence["objects"]]


def drawn(*boxes: list[float], **more: Any) -> dict[str, Any]:
    items = [{"key": str(i), "label": "cat", "box": box} for i, box in enumerate(boxes)]
    return {"catalog": {"objects": [items], **more}, "about": {"task": "detection"}}


def test_the_box_that_reaches_farthest_comes_first_with_what_is_left_of_it() -> None:
    case = drawn([50, 0, 70, 20], [90, 5, 120, 20], [105, 0, 120, 9], width=[100], height=[60])
    (finding,) = findings_of(CATALOG_RULES, "boxes_outside", case)
    first, second = finding.evidence["objects"]
    assert {first["key"], second["key"]} == {"1", "2"}
    assert (finding.evidence["count"], finding.evidence["most"]) == (2, 20.0)
    # Of the third box nothing lies in the image: there is nothing to suggest.
    assert {item["key"]: tuple(item.get("box", ())) for item in (first, second)} == {
        "1": (90.0, 5.0, 100.0, 20.0), "2": (),
    }  # fmt: skip


def test_a_flat_box_is_not_called_outside_and_an_unknown_one_is_neither() -> None:
    nan = float("nan")
    case = drawn([5, 5, 5, 20], [nan, nan, nan, nan], width=[100], height=[60])
    assert keys(findings_of(CATALOG_RULES, "zero_area_boxes", case)[0]) == ["0"]
    assert not findings_of(CATALOG_RULES, "boxes_outside", case)


def test_the_later_of_two_equal_boxes_is_the_copy() -> None:
    case = drawn([10, 10, 50, 50], [30, 10, 70, 50], [10.5, 10, 50, 49], [10, 10, 50, 50])
    (finding,) = findings_of(CATALOG_RULES, "duplicate_boxes", case)
    assert [(item["key"], item["what"]) for item in finding.evidence["objects"]] == [
        ("2", "copy of 0"), ("3", "copy of 0"),
    ]  # fmt: skip


def test_copies_are_those_that_all_pairs_would_give() -> None:
    chance = np.random.default_rng(0)
    start = chance.uniform(0, 300, (400, 2))
    boxes = np.concatenate([start, start + chance.uniform(5, 60, (400, 2))], axis=1)
    boxes = np.concatenate([boxes, boxes[::3] + chance.normal(0, 0.8, (134, 4)), boxes[::50]])
    groups = chance.integers(0, 3, len(boxes))
    found = copies(boxes, groups, least=0.8)
    near = (overlaps(boxes, boxes) >= 0.8) & (groups[:, None] == groups[None])
    earlier = np.asarray([np.flatnonzero(row[:place]).size > 0 for place, row in enumerate(near)])
    assert earlier.sum() > 30
    np.testing.assert_array_equal(found >= 0, earlier)
    assert all(near[place, other] for place, other in enumerate(found) if other >= 0)


def test_a_hundred_thousand_boxes_in_one_image_are_no_burden() -> None:
    chance = np.random.default_rng(1)
    start = chance.uniform(0, 20_000, (100_000, 2))
    boxes = np.concatenate([start, start + 20], axis=1)
    boxes[7::1000] = boxes[:-7:1000][: len(boxes[7::1000])]
    found = copies(boxes, np.zeros(len(boxes), dtype=np.int64), least=0.85)
    assert (found[7::1000] >= 0).all()
    # Besides the hundred that were copied some dozens lie over one another by chance.
    assert (found >= 0).sum() < 200


def test_pairing_takes_the_best_first_and_a_box_that_was_moved_away_last() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [1, 1, 11, 11], [50, 50, 60, 60], [90, 90, 95, 95]], dtype=float)
    seen = np.asarray([[1, 1, 11, 11], [61, 52, 71, 62], [0, 0, 9, 9]], dtype=float)
    score = np.asarray([0.9, 0.8, 0.7])
    sure, unsure = np.asarray([0.9, 0.9, 0.9, 0.9]), np.asarray([0.9, 0.9, 0.1, 0.1])
    assert pair(boxes, seen, score, sure).tolist() == [2, 0, -1, -1]
    # The third is far from anything that is seen in it, and an object of its size is left close by.
    assert pair(boxes, seen, score, unsure).tolist() == [2, 0, 1, -1]


@pytest.mark.parametrize(
    ("better", "kind"),
    [([30, 30, 50, 50], "oversize_boxes"), ([0, 0, 90, 80], "undersize_boxes"), ([45, 30, 85, 70], "shifted_boxes")],
)
def test_every_misplaced_box_is_of_one_kind(better: list[float], kind: str) -> None:
    values = {"score": 0.15, "foreground": 0.2, "match": 0.25, "match_score": 0.9, "frame_match": 0.25}
    columns = {f"object_{name}": [[value]] for name, value in values.items()}
    case = drawn([20, 20, 60, 60], **columns, object_better=[[better]], object_frame=[[better]])
    found = [
        name
        for name in ("shifted_boxes", "oversize_boxes", "undersize_boxes")
        if findings_of(CATALOG_RULES, name, case)
    ]
    assert found == [kind]
    (finding,) = findings_of(CATALOG_RULES, kind, case)
    assert finding.evidence["objects"][0]["box"] == tuple(map(float, better))


def test_what_was_not_measured_is_no_fault() -> None:
    nan = float("nan")
    values = dict.fromkeys(("score", "foreground", "match", "match_score", "frame_match", "own", "rival"), nan)
    columns = {f"object_{name}": [[value]] for name, value in values.items()}
    case = drawn(
        [20, 20, 60, 60],
        **columns,
        object_better=[[None]],
        object_frame=[[None]],
        object_suggested=[[""]],
        proposals=[[]],
    )
    for rule in (
        "shifted_boxes",
        "oversize_boxes",
        "undersize_boxes",
        "spurious_boxes",
        "wrong_class_boxes",
        "missing_boxes",
    ):
        assert not findings_of(CATALOG_RULES, rule, case), rule


def test_a_swapped_pair_is_told_from_a_stray_point_on_real_animals(shared: Callable[[str], Path]) -> None:
    catalog = coco(shared("openfield_keypoints") / "annotations" / "keypoints_train.json")
    for rule in ("stray_keypoints", "swapped_keypoints", "shifted_keypoints", "keypoints_outside"):
        assert not CATALOG_RULES.pick(rule)(catalog), rule
    lists = catalog.table.column("objects").to_pylist()
    at = {number: np.asarray(lists[number][0]["keypoints"]).reshape(-1, 3) for number in (3, 20, 41)}
    at[3][[1, 2]] = at[3][[2, 1]]
    at[20][0, :2] += 150
    at[41][:, 0] += 25
    for number, changed in at.items():
        lists[number][0]["keypoints"] = changed.reshape(-1).tolist()
    faulty = catalog.with_columns({"objects": objects_column(lists)})
    for rule, number in (("swapped_keypoints", 3), ("stray_keypoints", 20), ("shifted_keypoints", 41)):
        finding = said(rule, faulty)
        assert keys(finding) == [lists[number][0]["key"]], rule
        assert finding.samples == (catalog.ids[number],)
    assert set(keys(said("keypoints_outside", faulty))) == {lists[20][0]["key"], lists[41][0]["key"]}


def test_a_clean_set_has_no_invalid_box(shared: Callable[[str], Path]) -> None:
    catalog = coco(shared("stamps_det") / "annotations" / "instances_train.json")
    for rule in ("zero_area_boxes", "boxes_outside", "duplicate_boxes"):
        assert not CATALOG_RULES.pick(rule)(catalog), rule


def test_natural_faults_of_a_published_set_are_found(shared: Callable[[str], Path]) -> None:
    folder = shared("bccd")
    known = {
        str(item["annotation_id"])
        for item in json.loads((folder / "natural_faults_by_rule.json").read_text("utf-8"))
        if item["split"] == "train"
    }
    catalog = coco(folder / "annotations" / "instances_train.json")
    assert set(keys(said("zero_area_boxes", catalog))) == known
