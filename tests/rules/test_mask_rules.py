"""The rules on masks, number by number, and how they share the cases among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snellen.cases import catalog_of
from snellen.catalog import Catalog, MissingSignal
from snellen.examine import audit
from snellen.rules.masks import Explained, masks_finding, swapped_with
from snellen.shelf import CATALOG_RULES
from snellen.testing import findings_of

MASK_RULES = (
    "missing_masks", "unreadable_masks", "mask_sizes", "unknown_mask_ids", "empty_masks", "eroded_masks", "dilated_masks",
    "ragged_masks", "coarse_masks", "misregistered_masks", "holed_masks", "swapped_masks", "mask_objects_missing",
    "mask_wrong_class",
)  # fmt: skip
GOOD: dict[str, Any] = {
    "mask_problem": "", "mask_share": 0.2, "mask_parts": 1, "mask_holes": 0.0, "mask_raggedness": 0.25, "mask_coarseness": 1.0,
    "mask_width": 64, "mask_height": 64, "width": 64, "height": 64, "mask_edge_offset": 0.0, "mask_edge_gain": 1.0,
    "mask_shift_x": 0.0, "mask_shift_y": 0.0, "mask_shift_gain": 1.0, "segment_iou": 0.85, "segment_seen": 0.2,
    "segment_offset": 0.0, "segment_offset_gain": 0.0, "segment_shift_x": 0.0, "segment_shift_y": 0.0,
    "segment_shift_gain": 0.0, "segment_other": "s1", "segment_other_match": 0.5, "segment_own_match": 0.9,
    "segment_object_area": 0.0, "segment_object_sure": None, "segment_object_iou": None, "segment_object_edge": None, "segment_class_given": "",
    "segment_class_suggested": "", "segment_class_quality": None, "segment_class_sure": None,
}  # fmt: skip


def masks(*changes: dict[str, Any], good: int = 12) -> Catalog:
    rows = [{**GOOD, **change} for change in (*changes, *[{}] * good)]
    columns = {name: [row[name] for row in rows] for name in GOOD}
    return catalog_of({"catalog": columns, "about": {"task": "segmentation"}})


def said(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    return {finding.rule: finding.samples for finding in audit(catalog) if finding.rule in MASK_RULES}


def test_good_masks_are_left_alone() -> None:
    assert said(masks()) == {}


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("missing_masks", {"mask_problem": "missing file", "mask_share": None}),
        ("unreadable_masks", {"mask_problem": "not an index image", "mask_share": None}),
        ("mask_sizes", {"mask_problem": "another size", "mask_width": 32}),
        ("unknown_mask_ids", {"mask_problem": "unknown id 77"}),
        ("empty_masks", {"mask_share": 0.0, "segment_object_area": 0.1, "segment_object_sure": 0.9, "segment_object_iou": 1.0}),
        ("eroded_masks", {"mask_edge_offset": 4.0, "mask_edge_gain": 3.0, "mask_shift_gain": 2.0, "mask_shift_x": 4.0}),
        ("dilated_masks", {"segment_offset": -3.0, "segment_offset_gain": 0.2}),
        ("ragged_masks", {"mask_raggedness": 1.1}),
        ("coarse_masks", {"mask_coarseness": 8.0, "mask_raggedness": 0.8}),
        ("misregistered_masks", {"mask_shift_x": -9.0, "mask_shift_gain": 2.0, "segment_shift_gain": 0.3, "segment_shift_x": -8.0}),
        ("holed_masks", {"mask_holes": 0.2}),
        ("mask_objects_missing", {"segment_object_area": 0.05, "segment_object_sure": 0.93, "segment_object_iou": 0.9, "segment_object_edge": 1.0}),
        ("mask_wrong_class", {"segment_class_given": "a", "segment_class_suggested": "b", "segment_class_quality": 0.02, "segment_class_sure": 0.95}),
    ],
)  # fmt: skip
def test_every_fault_is_named_by_one_rule(rule: str, change: dict[str, Any]) -> None:
    assert said(masks(change)) == {rule: ("s0",)}


def test_an_exchanged_pair_is_named_once_whatever_else_it_looks_like() -> None:
    wild = {"mask_edge_offset": 6.0, "mask_edge_gain": 3.0, "mask_shift_gain": 9.0, "mask_shift_x": 20.0}
    wild |= {
        "segment_object_area": 0.05,
        "segment_object_sure": 0.95,
        "segment_object_iou": 0.9,
        "segment_object_edge": 1.0,
    }
    one = {**wild, "segment_other": "s1", "segment_other_match": 0.95, "segment_own_match": 0.1}
    other = {**wild, "segment_other": "s0", "segment_other_match": 0.8, "segment_own_match": 0.2}
    catalog = masks(one, other)
    assert said(catalog) == {"swapped_masks": ("s0", "s1")}
    assert swapped_with(catalog)[:3].tolist() == [1, 0, -1]
    (finding,) = [item for item in audit(catalog) if item.rule == "swapped_masks"]
    assert finding.evidence["pairs"] == 1
    assert finding.evidence["objects"][0]["other"] == "s1"


def test_edges_and_segmenter_are_added_up_and_may_contradict_each_other() -> None:
    catalog = masks(
        {"mask_edge_offset": 3.0, "mask_edge_gain": 1.6, "segment_offset": 2.5, "segment_offset_gain": 0.1},
        {"mask_edge_offset": 3.0, "mask_edge_gain": 1.6, "segment_offset": -2.5, "segment_offset_gain": 0.1},
        {"mask_edge_offset": 3.0, "mask_edge_gain": 1.6},
    )
    explained = Explained.of(catalog)
    assert explained.growth[:4] == pytest.approx([np.log(1.6) + 0.5, np.log(1.6) - 0.5, np.log(1.6), 0.0])
    assert said(catalog) == {"eroded_masks": ("s0",)}


def test_edges_speak_alone_where_no_segmenter_looked() -> None:
    catalog = masks({"mask_edge_offset": -4.0, "mask_edge_gain": 3.0})
    names = [name for name in catalog.table.column_names if name.startswith("segment_")]
    found = {finding.rule: finding for finding in audit(catalog.drop_columns(names)) if finding.rule in MASK_RULES}
    assert found["dilated_masks"].samples == ("s0",)
    assert found["dilated_masks"].evidence["pixels"] == 4
    blind = {name for name, finding in found.items() if not finding.looked}
    assert blind == {"empty_masks", "swapped_masks", "mask_objects_missing", "mask_wrong_class"}


def test_the_worst_comes_first_and_the_place_is_told() -> None:
    box = [10.04, 20.0, 30.0, 44.0]
    change = {"segment_object_sure": 0.9, "segment_object_iou": 0.9, "segment_object_edge": 1.0}
    catalog = masks({**change, "segment_object_area": 0.03}, {**change, "segment_object_area": 0.2})
    catalog = catalog.with_columns({"segment_object_box": np.asarray([box] * len(catalog))})
    (finding,) = [item for item in audit(catalog) if item.rule == "mask_objects_missing"]
    assert finding.samples == ("s1", "s0")
    assert finding.evidence["objects"][1]["box"] == (10.0, 20.0, 30.0, 44.0)
    assert finding.evidence["objects"][1]["sample"] == "s0"


def test_a_long_list_is_cut_and_the_samples_are_not() -> None:
    catalog = masks(good=300)
    rows = np.arange(250)
    (finding,) = masks_finding(
        "coarse_masks", catalog, rows, message="250", evidence={"count": 250}, each=[{"what": ""}] * 250
    )
    assert len(finding.evidence["objects"]) == 200
    assert len(finding.samples) == 250


@pytest.mark.parametrize("name", MASK_RULES)
def test_only_segmentation_is_looked_at(name: str) -> None:
    assert CATALOG_RULES.constant(name, "TASKS") == ("segmentation",)
    with pytest.raises(MissingSignal):
        findings_of(CATALOG_RULES, name, {"catalog": {"id": ["s0"]}})
