"""Rules on labels, names, strangers and markers, beyond the cases that their files state."""

from __future__ import annotations

import numpy as np
import pytest

from snellen.cases import catalog_of
from snellen.catalog import Catalog
from snellen.rules.catalog.confused_classes import confused_classes
from snellen.rules.catalog.outlier_images import outlier_images
from snellen.rules.catalog.scattered_class import scattered_class
from snellen.rules.catalog.shortcut_marker import shortcut_marker
from snellen.rules.catalog.similar_class_names import similar_class_names
from snellen.shelf import CATALOG_RULES


def pairs(*names: str, counts: tuple[int, ...] = ()) -> list[tuple[str, ...]]:
    each = counts or (3,) * len(names)
    catalog = catalog_of({"catalog": {"target": [n for n, c in zip(names, each, strict=True) for _ in range(c)]}})
    return [tuple(pair) for finding in similar_class_names(catalog) for pair in finding.evidence["pairs"]]


@pytest.mark.parametrize(
    "names",
    [
        ("T-shirt", "t_shirt"), ("Ankle Boot", "ankle-boot"), ("café", "cafe"), ("berry", "berries"), ("box", "boxes"),
        ("Peppers", "pepper"), ("STOP sign", "stop_sign"), ("Ｔｅａ", "tea"),
    ],
)  # fmt: skip
def test_names_that_are_the_same(names: tuple[str, str]) -> None:
    assert pairs(*names) == [tuple(sorted(names))]


@pytest.mark.parametrize(
    "names",
    [
        ("cat", "car"), ("glass", "glas s!"), ("bus", "buses and trams"), ("iris", "iri"), ("1-2", "12"), ("1.5", "15"), ("C", "C++"),
        ("male", "female"), ("model 10", "model 11"), ("class", "clas"), ("grape", "grapefruit"), ("boss", "bos"),
    ],
)  # fmt: skip
def test_names_that_are_not(names: tuple[str, str]) -> None:
    assert pairs(*names) == []


@pytest.mark.parametrize("slip", ["pulover", "pullovver", "pullvoer", "pullower"])
def test_a_slip_is_a_slip_where_it_is_rare(slip: str) -> None:
    assert pairs("pullover", slip, counts=(20, 2)) == [tuple(sorted(("pullover", slip)))]
    assert pairs("pullover", slip, counts=(20, 12)) == []


def test_many_names_take_no_time_and_give_every_pair() -> None:
    names = [f"species number {'abcdefghij'[i % 10]}{i}" for i in range(2000)]
    assert pairs(*names, counts=(1,) * 2000) == []
    three = pairs("Oak", "oak", "OAK")
    assert len(three) == 3


def test_samples_of_the_rarer_name_are_listed() -> None:
    (finding,) = similar_class_names(catalog_of({"catalog": {"target": ["tree"] * 5 + ["Tree"] * 2}}))
    assert finding.samples == ("s5", "s6")
    assert finding.severity == "warn"


def test_labels_of_sets_count_too() -> None:
    catalog = Catalog.of_rows([{"id": "a"}, {"id": "b"}]).with_columns({"labels": [["Dog"], ["dog", "cat"]]})
    (finding,) = similar_class_names(catalog.with_about({"task": "multilabel"}))
    assert [tuple(pair) for pair in finding.evidence["pairs"]] == [("Dog", "dog")]


def test_confused_classes_lists_the_images_of_both_directions() -> None:
    targets = ["a"] * 40 + ["b"] * 40 + ["c"] * 40 + ["d"] * 40
    looks = ["b"] * 8 + ["a"] * 32 + ["a"] * 9 + ["b"] * 31 + ["c"] * 40 + ["d"] * 40
    (finding,) = confused_classes(catalog_of({"catalog": {"target": targets, "looks_like": looks}}))
    assert len(finding.samples) == 17
    assert finding.evidence["highest"] == pytest.approx(17 / 80)


def test_some_wrong_labels_do_not_make_a_class_scattered() -> None:
    chance = np.random.default_rng(0)
    middles = chance.normal(0, 1, (8, 16))
    points = np.repeat(middles, 30, axis=0) + chance.normal(0, 0.15, (240, 16))
    points[:6] = middles[4] + chance.normal(0, 0.15, (6, 16))
    case = {"catalog": {"target": [f"c{i // 30}" for i in range(240)], "embedding": points.tolist()}}
    assert scattered_class(catalog_of(case)) == []
    points[:30] = middles[0] + chance.normal(0, 0.7, (30, 16))
    case["catalog"]["embedding"] = points.tolist()
    (finding,) = scattered_class(catalog_of(case))
    assert finding.evidence["widest"] == "c0"
    assert "lighting" in finding.message
    assert set(finding.samples) <= {f"s{i}" for i in range(30)}


def test_carriers_of_other_classes_are_named_first_and_validation_does_not_count() -> None:
    case = {
        "catalog": {
            "target": ["cat"] * 12 + ["dog"] * 12,
            "marker": [0] * 10 + [-1, -1] + [-1] * 10 + [0, 0],
            "marker_box": [[0.8, 0.8, 1.0, 1.0]] * 24,
            "split": ["train"] * 23 + ["val"],
        }
    }
    (finding,) = shortcut_marker(catalog_of(case))
    assert finding.samples[0] == "s22"
    assert (finding.evidence["count"], finding.evidence["of_class"], finding.evidence["place"]) == (
        11,
        10,
        "bottom right",
    )


def test_outliers_are_ranked_by_agreement_then_by_mean_score() -> None:
    case = {
        "catalog": {
            "outlier_agreement": [2, 3, 2, 0],
            "outlier_statistics": [0.9, 0.6, 0.7, 0.1],
            "outlier_embedding": [0.9, 0.6, 0.7, 0.1],
            "outlier_votes": [None, 0.6, 0.1, 0.1],
        }
    }
    (finding,) = outlier_images(catalog_of(case))
    assert finding.samples == ("s1", "s0", "s2")
    assert finding.evidence["ranking"][0]["sample"] == "s1"


def test_images_of_the_most_confused_classes_come_first() -> None:
    targets = [name for name in "abcdefgh" for _ in range(40)]
    looks = ["b"] * 17 + ["a"] * 23 + ["b"] * 40 + ["d"] * 20 + targets[100:]
    (finding,) = confused_classes(catalog_of({"catalog": {"target": targets, "looks_like": looks}}))
    assert [pair[:2] for pair in finding.evidence["pairs"]] == [("c", "d"), ("a", "b")]
    assert finding.samples == tuple(f"s{i}" for i in (*range(80, 100), *range(17)))


@pytest.mark.parametrize(
    "rule", ["confused_classes", "scattered_class", "shortcut_marker", "missing_labels", "outlier_images"]
)
def test_ids_are_copied_once(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = catalog_of(CATALOG_RULES.module(rule).FIRES[0])
    copied: list[Catalog] = []
    copy = Catalog.ids.fget
    monkeypatch.setattr(Catalog, "ids", property(lambda catalog: copied.append(catalog) or copy(catalog)))
    (finding,) = CATALOG_RULES.pick(rule)(catalog)
    assert finding.samples
    assert len(copied) == 1
