"""Decisions of a review carried out on a catalog: what changes, what stays, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snellen.annotations import Objects, objects_column, per_object, read_per_object
from snellen.catalog import Catalog
from snellen.data.review import KINDS, apply_review, standing
from snellen.values import SnellenError


def said(item: str, answer: str, *, sample: str = "a", **more: Any) -> dict[str, Any]:
    return {"item": item, "sample": sample, "answer": answer, **more}


def counts(changes: dict[str, list[dict[str, Any]]]) -> dict[str, int]:
    assert list(changes) == list(KINDS)
    return {kind: len(told) for kind, told in changes.items() if told}


@pytest.fixture
def labelled() -> Catalog:
    rows = [{"id": name, "path": f"{name}.png", "target": "cat"} for name in "abcd"]
    measured = {"label_quality": np.asarray([0.1, 0.9, 0.8, 0.7]), "suggested": ["dog", "", "", "dog"]}
    return Catalog.of_rows(rows).with_columns({**measured, "embedding": np.ones((4, 3), dtype=np.float16)})


def test_labels_and_dropped_samples(labelled: Catalog) -> None:
    decisions = [
        said("random|a", "relabel", labels=["dog"]),
        said("random|b", "wrong", sample="b"),
        said("random|c", "right", sample="c"),
        said("noise|d", "accept", sample="d", labels=["dog"]),
    ]
    corrected, changes = apply_review(labelled, decisions)
    assert corrected.ids == ("a", "c", "d")
    assert corrected.column("target").tolist() == ["dog", "cat", "dog"]
    assert counts(changes) == {"relabelled": 2, "dropped": 1}
    assert changes["relabelled"][0] == {"sample": "a", "path": "a.png", "from": "cat", "to": "dog"}
    # What was measured of the label that is gone is gone too; the rest stays.
    assert np.isnan(corrected.column("label_quality")).tolist() == [True, False, True]
    assert corrected.column("suggested").tolist() == ["", "", ""]
    assert corrected.column("embedding").shape == (3, 3)
    assert corrected.about("review") == {kind: len(told) for kind, told in changes.items()}
    assert labelled.column("target").tolist() == ["cat"] * 4


def test_no_decisions_change_nothing(labelled: Catalog) -> None:
    corrected, changes = apply_review(labelled, [said("random|a", "right"), said("random|b", "skip", sample="b")])
    assert corrected.table.equals(labelled.table)
    assert counts(changes) == {}
    assert apply_review(labelled.take([]), [])[0].ids == ()


def test_a_later_answer_replaces_an_earlier_one(labelled: Catalog) -> None:
    decisions = [
        said("random|a", "wrong"),
        said("random|a", "relabel", labels=["dog"]),
        said("noise|a", "relabel", labels=["cow"]),
    ]
    assert apply_review(labelled, decisions)[0].column("target").tolist()[0] == "cow"
    # A skip takes back what was said at the same place, not what was said elsewhere.
    assert apply_review(labelled, [*decisions, said("noise|a", "skip")])[0].column("target").tolist()[0] == "dog"
    assert apply_review(labelled, [*decisions, said("random|a", "right")])[0].column("target").tolist()[0] == "cat"


def test_what_the_catalog_does_not_have_is_refused(labelled: Catalog) -> None:
    decisions = [
        said("random|z", "wrong", sample="z"),
        said("random|a", "relabel", labels=["dog", "cow"]),
        said("boxes|b", "wrong", sample="b", object={"key": "7", "place": 0}),
    ]
    corrected, changes = apply_review(labelled, decisions)
    assert counts(changes) == {"refused": 3}
    assert corrected.column("target").tolist() == ["cat"] * 4
    with pytest.raises(SnellenError, match=r"is no decision of a review; give the review\.jsonl"):
        standing([{"meter": "loss"}])


DRAWN = [
    [
        {"key": "1", "label": "cat", "box": [0, 0, 9, 9], "problem": "unknown class"},
        {"key": "2", "label": "dog"},
        {"key": "2", "label": "dog", "box": [1, 1, 1, 5], "problem": "zero area"},
    ],
    [{"key": "3", "label": "cat", "box": [4, 4, 9, 9]}],
]


@pytest.fixture
def drawn() -> Catalog:
    rows = Catalog.of_rows([{"id": "a"}, {"id": "b"}]).with_columns({"objects": objects_column(DRAWN)})
    measured = {"object_iou": per_object(rows, np.asarray([0.1, 0.2, 0.3, 0.4]))}
    return rows.with_columns(measured).with_about({"task": "detection", "classes": ["cat", "dog"]})


def about(answer: str, key: str, place: int, *, sample: str = "a", **more: Any) -> dict[str, Any]:
    return said(f"boxes|{sample}|{key}|{place}", answer, sample=sample, object={"key": key, "place": place}, **more)


def test_objects(drawn: Catalog, tmp_path: Path) -> None:
    decisions = [
        about("relabel", "1", 0, labels=["cow"]),
        about("wrong", "2", 1),
        about("accept", "2", 2, box=[1, 1, 4, 5], labels=["dog"]),
        about("relabel", "", -1, sample="b", labels=["dog"], box=[0, 0, 2, 2]),
    ]
    corrected, changes = apply_review(drawn, decisions)
    assert counts(changes) == {"objects_removed": 1, "objects_relabelled": 1, "objects_moved": 1, "objects_added": 1}
    corrected.save(tmp_path / "corrected.parquet")
    objects = Objects.of(Catalog.load(tmp_path / "corrected.parquet"))
    assert objects.row.tolist() == [0, 0, 1, 1]
    assert objects.label.tolist() == ["cow", "dog", "cat", "dog"]
    assert objects.box.tolist() == [[0, 0, 9, 9], [1, 1, 4, 5], [4, 4, 9, 9], [0, 0, 2, 2]]
    assert objects.problem.tolist() == [""] * 4
    assert objects.usable.all()
    # The values beside them go along; what was measured of a box that changed is no longer known.
    assert read_per_object(corrected, "object_iou").tolist() == pytest.approx(
        [np.nan, np.nan, 0.4, np.nan], nan_ok=True
    )
    assert corrected.about("classes") == ["cat", "dog", "cow"]
    assert Objects.of(drawn).label.tolist() == ["cat", "dog", "dog", "cat"]


def test_objects_of_a_sample_that_is_dropped(drawn: Catalog) -> None:
    dropped = [said("random|a", "wrong"), about("wrong", "1", 0)]
    corrected, changes = apply_review(drawn, dropped)
    assert corrected.ids == ("b",)
    assert counts(changes) == {"dropped": 1}
    # Wrong about an object that is missing: nothing is known to add, so the sample cannot stay.
    assert apply_review(drawn, [about("wrong", "", -1, sample="b")])[0].ids == ("a",)


def test_an_object_that_is_not_where_it_was(drawn: Catalog) -> None:
    moved = [about("wrong", "3", 0), about("wrong", "9", 7), about("relabel", "", -1, labels=["cat"])]
    corrected, changes = apply_review(drawn, moved)
    assert counts(changes) == {"refused": 3}
    assert len(Objects.of(corrected)) == 4


def test_several_labels() -> None:
    catalog = Catalog.of_rows([{"id": "a", "labels": ["sky"]}, {"id": "b", "labels": ["sea", "sand"]}])
    catalog = catalog.with_about({"task": "multilabel"})
    decisions = [said("random|a", "relabel", labels=[]), said("random|b", "relabel", sample="b", labels=["sea", "sun"])]
    corrected, changes = apply_review(catalog, decisions)
    assert corrected.table.column("labels").to_pylist() == [[], ["sea", "sun"]]
    assert counts(changes) == {"relabelled": 2}


def test_an_image_without_label_is_used_once_it_has_one() -> None:
    rows = [{"id": name, "verdict": "no label"} for name in "ab"]
    rows.append({"id": "c", "verdict": "truncated", "target": "cat"})
    decisions = [said("random|a", "relabel", labels=["dog"]), said("random|c", "relabel", sample="c", labels=["dog"])]
    corrected, changes = apply_review(Catalog.of_rows(rows), decisions)
    assert corrected.column("verdict").tolist() == ["ok", "no label", "truncated"]
    assert corrected.usable().column("target").tolist() == ["dog"]
    assert counts(changes) == {"relabelled": 2}


def test_ids_are_copied_once(drawn: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[Catalog] = []
    copy = Catalog.ids.fget
    monkeypatch.setattr(Catalog, "ids", property(lambda catalog: copied.append(catalog) or copy(catalog)))
    decisions = [about("wrong", "2", 1), about("wrong", "3", 0, sample="b")]
    assert counts(apply_review(drawn, decisions)[1]) == {"objects_removed": 2}
    assert len(copied) == 1
