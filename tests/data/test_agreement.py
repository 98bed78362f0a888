"""Two and more annotators: what they dispute is found, counted with its interval, arbitrated and made one catalog."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_masks
from PIL import Image
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from snellen.annotations import Objects, objects_column
from snellen.catalog import Catalog
from snellen.data._kappa import Share, cohen, fleiss
from snellen.data._likeness import oks
from snellen.data._overlap import box_iou, candidates, match
from snellen.data.agreement import Agreement, by_annotator, compare
from snellen.data.arbitration import Decision, names_of, read_decisions, write_disputes
from snellen.data.consensus import UNDECIDED, consensus
from snellen.rules.catalog.annotators_disagree import annotators_disagree
from snellen.values import SnellenError

Drawn = Sequence[Sequence[dict[str, Any]]]


def drawn_catalog(objects: Drawn, *, task: str = "detection", annotator: str = "", **columns: list[Any]) -> Catalog:
    rows = [{"id": f"s{place}", "path": f"{place}.jpg", "annotator": annotator} for place in range(len(objects))]
    about = {"task": task, "classes": ["cat", "dog"], "keypoints": ["head", "tail"]}
    return Catalog.of_rows(rows).with_columns({"objects": objects_column(objects), **columns}).with_about(about)


def whole_catalog(targets: list[str], *, annotator: str = "") -> Catalog:
    rows = [
        {"id": f"s{place}", "path": f"{place}.jpg", "target": name, "annotator": annotator}
        for place, name in enumerate(targets)
    ]
    return Catalog.of_rows(rows)


def cat(*box: float, key: str = "", label: str = "cat") -> dict[str, Any]:
    return {"key": key, "label": label, "box": list(box)}


ONE: Drawn = [
    [cat(0, 0, 10, 10, key="1"), cat(20, 0, 30, 10, key="2"), cat(40, 0, 50, 10, key="3"), cat(60, 0, 70, 10, key="4")],
    [cat(0, 0, 10, 10, key="5")],
    [],
]
OTHER: Drawn = [
    [cat(40, 0, 50, 10, key="c", label="dog"), cat(0, 0, 10, 10.4, key="a"), cat(20, 0, 33, 12, key="b")],
    [cat(0, 0, 10, 10, key="e"), cat(50, 50, 60, 60, key="f")],
    [],
]


def conflicts(agreement: Agreement) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (
            agreement.samples[unit.image],
            unit.conflict(agreement.loose),
            tuple("" if mark is None else mark.key for mark in unit.marks),
        )
        for unit in agreement.disputes
    ]


def test_every_kind_of_conflict_between_boxes() -> None:
    found = compare(drawn_catalog(ONE), drawn_catalog(OTHER))
    assert conflicts(found) == [
        ("s0", "class", ("3", "c")), ("s0", "missed", ("4", "")), ("s0", "loose", ("2", "b")), ("s1", "missed", ("", "f")),
    ]  # fmt: skip
    summary = found.summary
    assert (summary["rate"]["count"], summary["rate"]["of"]) == (4, 6)
    assert (summary["images"]["count"], summary["images"]["of"]) == (2, 3)
    assert {kind: share["count"] for kind, share in summary["kinds"].items()} == {"missed": 2, "class": 1, "loose": 1}
    assert summary["by_annotator"]["A"]["missed"]["count"] == summary["by_annotator"]["B"]["missed"]["count"] == 1
    assert (summary["classes"]["cat"]["count"], summary["classes"]["cat"]["of"]) == (2, 6)
    json.dumps(summary, allow_nan=False)


def test_the_thresholds_are_settings() -> None:
    one, other = drawn_catalog([[cat(0, 0, 10, 10)]]), drawn_catalog([[cat(0, 0, 10, 16)]])
    kinds = {
        (iou, loose): Counter(kind for _, kind, _ in conflicts(compare(one, other, iou=iou, loose=loose)))
        for iou, loose in ((0.5, 0.7), (0.5, 0.6), (0.65, 0.7))
    }
    assert kinds == {(0.5, 0.7): {"loose": 1}, (0.5, 0.6): {}, (0.65, 0.7): {"missed": 2}}


def test_two_objects_in_one_place_are_paired_by_class() -> None:
    one = drawn_catalog([[cat(0, 0, 10, 10), cat(1, 0, 11, 10, label="dog")]])
    other = drawn_catalog([[cat(0, 0, 10, 10, label="dog"), cat(1, 0, 11, 10)]])
    assert compare(one, other).disputes == ()


def test_what_cannot_be_used_is_not_compared() -> None:
    crowd = {**cat(0, 0, 90, 90), "crowd": True}
    one = drawn_catalog([[cat(0, 0, 10, 10), crowd], [cat(0, 0, 5, 5)]], verdict=["ok", "truncated"])
    other = drawn_catalog([[cat(0, 0, 10, 10), {**cat(0, 0, 0, 10), "problem": "zero area"}], []])
    found = compare(one, other)
    assert (found.summary["rate"]["of"], found.summary["samples"], found.disputes) == (1, 1, ())
    assert found.summary["left_out"] == {"A": 1, "B": 1}
    assert found.summary["alone"] == {"A": 0, "B": 1}


def test_samples_are_paired_by_content_then_by_path() -> None:
    rows = [("x", "a.jpg", "1"), ("x", "b.jpg", "2"), ("y", "c.jpg", "3"), ("z", "d.jpg", "4"), ("q", "e.jpg", "5")]
    other_rows = [
        ("w", "d.jpg", "4"),
        ("y", "moved/c.jpg", "3"),
        ("x", "b.jpg", "2"),
        ("x", "new.jpg", "1"),
        ("p", "f.jpg", "6"),
    ]
    one, other = (
        Catalog.of_rows(
            [{"id": f"{n}{place}", "content": c, "path": p, "target": t} for place, (c, p, t) in enumerate(given)]
        )
        for n, given in (("m", rows), ("n", other_rows))
    )
    found = compare(one, other)
    assert found.rows.tolist() == [[0, 3], [1, 2], [2, 1], [3, 0]]
    assert found.disputes == ()
    assert found.summary["alone"] == {"A": 1, "B": 1}


def test_classes_of_images_and_kappa() -> None:
    rng = np.random.default_rng(0)
    first = rng.choice(["a", "b", "c"], 300, p=[0.6, 0.3, 0.1])
    second = np.where(rng.random(300) < 0.1, rng.choice(["a", "b", "c"], 300), first)
    found = compare(whole_catalog(first.tolist(), annotator="Ann"), whole_catalog(second.tolist(), annotator="Ben"))
    assert found.annotators == ("Ann", "Ben")
    assert found.summary["rate"]["count"] == (first != second).sum() == len(found.disputes)
    kappa = found.summary["kappa"]["Ann, Ben"]
    assert kappa["value"] == pytest.approx(cohen_kappa_score(first, second))
    assert kappa["low"] < kappa["value"] < kappa["high"]
    assert (
        found.summary
        == compare(
            whole_catalog(first.tolist(), annotator="Ann"), whole_catalog(second.tolist(), annotator="Ben")
        ).summary
    )


def test_several_labels_of_an_image() -> None:
    given = [[["sea", "sky"], ["sky"], []], [["sea"], ["sky"], ["dog"]]]
    one, other = (
        whole_catalog([""] * 3).with_columns({"labels": labels}).with_about({"task": "multilabel"}) for labels in given
    )
    found = compare(one, other)
    assert [(unit.image, *(mark.label for mark in unit.marks if mark)) for unit in found.disputes] == [
        (0, "sky"),
        (2, "dog"),
    ]
    # Having or not having each of three labels, in three images: 9 pairs, of which 2 differ.
    have = np.asarray([[label in names for names in labels for label in ("dog", "sea", "sky")] for labels in given])
    assert found.summary["kappa"]["A, B"]["value"] == pytest.approx(cohen_kappa_score(*have))


def test_fleiss_kappa_of_the_published_example() -> None:
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    ratings = np.asarray([np.repeat(np.arange(5), row) for row in counts])
    assert fleiss(ratings, np.arange(10), seed=0).value == pytest.approx(0.210, abs=5e-4)


def test_kappa_without_a_choice_is_not_defined() -> None:
    same = np.zeros(9, dtype=np.int64)
    assert cohen(same, same, np.arange(9), seed=0).plain() == {"value": None, "low": None, "high": None, "of": 9}
    assert cohen(same[:0], same[:0], same[:0], seed=0).value is None


def test_kappa_intervals_are_wider_where_objects_share_images() -> None:
    rng = np.random.default_rng(3)
    images = np.repeat(np.arange(40), 10)
    first = rng.integers(0, 2, 400)
    second = np.where(np.repeat(rng.random(40) < 0.2, 10), 1 - first, first)  # Whole images are wrong.
    together, apart = cohen(first, second, images, seed=0), cohen(first, second, np.arange(400), seed=0)
    assert together.value == apart.value
    assert (together.high or 0) - (together.low or 0) > 2 * ((apart.high or 0) - (apart.low or 0))


@pytest.mark.parametrize(("count", "of"), [(0, 10), (3, 10), (10, 10), (175, 809), (1, 100_000)])
def test_the_interval_is_wilsons(count: int, of: int) -> None:
    theirs = binomtest(count, of).proportion_ci(method="wilson")
    assert Share(count, of).interval() == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_nothing_drawn_by_anybody() -> None:
    found = compare(drawn_catalog([[], []]), drawn_catalog([[], []]))
    assert found.summary["rate"] == {"count": 0, "of": 0, "value": 0.0, "low": 0.0, "high": 1.0}
    assert annotators_disagree(found.marked(drawn_catalog([[], []]))) == []


def test_masks_are_compared_by_their_pixels() -> None:
    square, triangle = [[0.0, 0, 10, 0, 10, 10, 0, 10]], [[0.0, 0, 10, 0, 0, 10]]
    mask = np.zeros((12, 12), dtype=np.uint8)
    mask[:10, :10] = 1
    packed = f"12 12 {coco_masks.encode(np.asfortranarray(mask))['counts'].decode()}"
    one = drawn_catalog(
        [[{**cat(0, 0, 10, 10), "polygons": square}], [{**cat(0, 0, 10, 10), "polygons": square}]], task="instance"
    )
    other = drawn_catalog(
        [[{**cat(0, 0, 10, 10), "polygons": triangle}], [{**cat(0, 0, 10, 10), "rle": packed}]], task="instance"
    )
    found = compare(one, other, iou=0.4)
    assert [unit.likeness for unit in found.units] == [pytest.approx(0.5, abs=0.06), 1.0]
    assert [kind for _, kind, _ in conflicts(found)] == ["loose"]
    assert found.summary["dice"] == pytest.approx((2 / 3 + 1) / 2, abs=0.03)


def test_keypoints_are_compared_by_oks() -> None:
    def animal(shift: float, seen: int = 2) -> dict[str, Any]:
        return {**cat(0, 0, 100, 100), "keypoints": [10 + shift, 10, 2, 90, 90, seen]}

    one = drawn_catalog([[animal(0)], [animal(0)], [animal(0)]], task="keypoints")
    other = drawn_catalog([[animal(1)], [animal(12)], [animal(0, 0)]], task="keypoints")
    found = compare(one, other)
    assert [unit.likeness for unit in found.units] == pytest.approx(
        [(np.exp(-1 / (2 * 100**2 * 0.01)) + 1) / 2, (np.exp(-144 / (2 * 100**2 * 0.01)) + 1) / 2, 0.5]
    )
    assert [(sample, kind) for sample, kind, _ in conflicts(found)] == [("s2", "loose")]


def test_oks_of_points_that_nobody_sees() -> None:
    hidden = np.zeros((2, 3))
    assert oks(hidden, hidden, 100.0, np.full(2, 0.05)) == 0.0


def painted(folder: Path, name: str, masks: list[np.ndarray]) -> Catalog:
    (folder / name).mkdir()
    for place, mask in enumerate(masks):
        Image.fromarray(mask).save(folder / name / f"{place}.png")
    rows = [
        {"id": f"s{place}", "path": f"{place}.jpg", "root": str(folder), "mask": f"{name}/{place}.png"}
        for place in range(len(masks))
    ]
    return Catalog.of_rows(rows).with_about(
        {"task": "segmentation", "classes": {"0": "background", "1": "leaf", "2": "stem"}}
    )


def test_regions_of_masks(tmp_path: Path) -> None:
    plain = np.zeros((10, 10), dtype=np.uint8)
    leaf, half, both = plain.copy(), plain.copy(), plain.copy()
    leaf[:8], half[:4], both[:8], both[9] = 1, 1, 1, 2
    one = painted(tmp_path, "one", [leaf, leaf, plain])
    other = painted(tmp_path, "other", [half, both, plain])
    found = compare(one, other)
    assert [(unit.image, unit.conflict(0.7), unit.likeness) for unit in found.units] == [
        (0, "loose", 0.5),
        (1, "", 1.0),
        (1, "missed", 1.0),
    ]
    chosen = {name: Decision(of=1) for name, unit in names_of(found).items() if unit.image == 1}
    made = consensus(found, [one, other], chosen)
    assert made.column("mask").tolist() == ["one/0.png", "other/1.png", "one/2.png"]
    assert made.column("verdict").tolist() == [UNDECIDED, "ok", "ok"]


def test_three_annotators() -> None:
    boxes: Drawn = [[cat(0, 0, 10, 10, key="1"), cat(30, 0, 40, 10, key="2")]]
    third: Drawn = [
        [cat(30, 0, 40, 10.5, key="2", label="dog"), cat(0, 0.5, 10, 10, key="1"), cat(60, 0, 70, 9, key="3")]
    ]
    found = compare(drawn_catalog(boxes), drawn_catalog(boxes), drawn_catalog(third), names=("Ann", "Ben", "Cyd"))
    assert conflicts(found) == [("s0", "class", ("2", "2", "2")), ("s0", "missed", ("", "", "3"))]
    assert list(found.summary["kappa"]) == ["Ann, Ben", "Ann, Cyd", "Ben, Cyd"]
    assert found.summary["fleiss"]["of"] == 2
    assert found.summary["by_annotator"]["Cyd"]["only"]["count"] == 1


def test_one_table_of_several_annotators() -> None:
    rows = [
        {"id": f"{path}{name}", "content": path, "path": path, "target": target, "annotator": name}
        for path, name, target in [("a", "Ben", "x"), ("a", "Ann", "x"), ("b", "Ann", "x"), ("b", "Ben", "y")]
    ]
    people = by_annotator(Catalog.of_rows(rows))
    assert list(people) == ["Ann", "Ben"]
    found = compare(*people.values())
    assert (found.annotators, [found.paths[unit.image] for unit in found.disputes]) == (("Ann", "Ben"), ["b"])


@pytest.fixture
def disputed(tmp_path: Path) -> tuple[Agreement, list[Catalog], Path]:
    catalogs = [drawn_catalog(ONE), drawn_catalog(OTHER)]
    found = compare(*catalogs)
    assert write_disputes(found, tmp_path / "disputes.jsonl") == 4
    return found, catalogs, tmp_path / "disputes.jsonl"


def decide(file: Path, *decisions: Any) -> None:
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line, decision in zip(lines, decisions, strict=False):
        line["decision"] = decision
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")


def test_the_arbitration_file_shows_both_versions(disputed: tuple[Agreement, list[Catalog], Path]) -> None:
    found, _, file = disputed
    first = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
    assert first == {
        "dispute": "s0#1", "decision": "", "path": "0.jpg", "conflict": "class", "likeness": 1.0,
        "versions": {
            "A": {"label": "cat", "key": "3", "box": [40.0, 0.0, 50.0, 10.0]},
            "B": {"label": "dog", "key": "c", "box": [40.0, 0.0, 50.0, 10.0]},
        },
    }  # fmt: skip
    assert read_decisions(found, file) == {}


def test_decisions_become_a_consensus(disputed: tuple[Agreement, list[Catalog], Path]) -> None:
    found, catalogs, file = disputed
    decide(file, "B", "nothing", {"label": "cat", "box": [20, 0, 31, 11]})
    made = consensus(found, catalogs, read_decisions(found, file))
    objects = Objects.of(made)
    rows = list(zip(objects.row, objects.label, objects.box.tolist(), objects.problem, strict=True))
    assert rows == [
        (0, "cat", [0, 0, 10, 10.2], ""),  # Both had it: the mean.
        (0, "cat", [20, 0, 31, 11], ""),  # Drawn anew.
        (0, "dog", [40, 0, 50, 10], ""),  # B was right; the missed one is not there.
        (1, "cat", [0, 0, 10, 10], ""),
        (1, "cat", [50, 50, 60, 60], UNDECIDED),
    ]
    assert made.ids == ("s0", "s1", "s2")
    twice = consensus(found, catalogs, {name: Decision(of=0) for name in names_of(found)})
    assert Objects.of(twice).key.tolist() == ["1", "2", "3", "4", "5"]
    assert Objects.of(consensus(found, catalogs, {})).usable.sum() == 2


def test_a_consensus_agrees_with_itself(disputed: tuple[Agreement, list[Catalog], Path]) -> None:
    found, catalogs, _ = disputed
    made = consensus(found, catalogs, {name: Decision(of=1) for name in names_of(found)})
    assert compare(made, made).disputes == ()
    # The arbiter took the other's side throughout, so only what was averaged differs, by less than the limit.
    assert compare(made, catalogs[1]).disputes == ()


def test_classes_are_arbitrated() -> None:
    one, other = whole_catalog(["a", "b", "b"]), whole_catalog(["a", "a", "c"])
    found = compare(one, other)
    names = list(names_of(found))
    made = consensus(found, [one, other], {names[0]: Decision(label="c")})
    assert (made.column("target").tolist(), made.column("verdict").tolist()) == (
        ["a", "c", "b"],
        ["ok", "ok", UNDECIDED],
    )


def test_labels_are_arbitrated() -> None:
    one, other = (
        whole_catalog(["", ""]).with_columns({"labels": labels}).with_about({"task": "multilabel"})
        for labels in ([["sea", "sky"], ["sky"]], [["sea"], ["sky", "dog"]])
    )
    found = compare(one, other)
    made = consensus(found, [one, other], dict.fromkeys(list(names_of(found))[:1], Decision(of=1)))
    assert made.table.column("labels").to_pylist() == [["sea"], ["sky"]]
    assert made.column("verdict").tolist() == ["ok", UNDECIDED]


@pytest.mark.parametrize(
    ("decision", "message"),
    [("C", r"line 1: the decision is 'C'; did you mean|there are"), ({"label": "cow"}, "label is 'cow'"),
     ({"label": "cat", "box": [5, 0, 1, 1]}, "expected .x0, y0, x1, y1"), (3, "label is 3"),
     ({"label": "cat", "box": [0, 0, float("nan"), 1]}, "expected .x0, y0, x1, y1")],
)  # fmt: skip
def test_wrong_decisions_are_named(
    disputed: tuple[Agreement, list[Catalog], Path], decision: Any, message: str
) -> None:
    found, _, file = disputed
    decide(file, decision)
    with pytest.raises(SnellenError, match=message):
        read_decisions(found, file)


def test_a_file_of_another_comparison_is_refused(disputed: tuple[Agreement, list[Catalog], Path]) -> None:
    found, catalogs, file = disputed
    lines = file.read_text(encoding="utf-8")
    file.write_text(lines + lines.splitlines()[0].replace('""', '"A"') + "\n", encoding="utf-8")
    with pytest.raises(SnellenError, match="line 1: 's0#1' is not a dispute of this comparison"):
        read_decisions(compare(catalogs[1], catalogs[0]), file)
    decide(file, "A")
    with pytest.raises(SnellenError, match="line 5: 's0#1' was decided on before"):
        read_decisions(found, file)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(SnellenError, match="line 1 is not JSON"):
        read_decisions(found, file)


def test_wrong_questions_are_refused() -> None:
    one = whole_catalog(["a", "b"])
    with pytest.raises(SnellenError, match="classification and detection"):
        compare(one, drawn_catalog([[], []]))
    with pytest.raises(SnellenError, match="no image in common"):
        compare(one, Catalog.of_rows([{"id": "z", "path": "z.jpg", "target": "a"}]))
    with pytest.raises(SnellenError, match="expected 0 < iou"):
        compare(one, one, iou=0.8, loose=0.7)
    with pytest.raises(SnellenError, match="expected 2 different names"):
        compare(one, one, names=("A", "A"))
    pairs = one.with_columns({"pair": ["x", "y"]}).with_about({"task": "restoration"})
    with pytest.raises(SnellenError, match="restoration data cannot be compared"):
        compare(pairs, pairs)


def test_the_rule_warns_above_the_limit_only() -> None:
    one, other = drawn_catalog(ONE), drawn_catalog(OTHER)
    found = compare(one, other)
    marked = found.marked(one)
    assert marked.column("disputed").tolist() == [3, 1, 0]
    (finding,) = annotators_disagree(marked)
    assert (finding.severity, finding.samples, finding.evidence["rate"]) == ("warn", ("s0", "s1"), 4 / 6)
    assert [item["what"] for item in finding.evidence["objects"]] == ["class", "missed", "loose", "missed"]
    (calm,) = annotators_disagree(compare(one, other, limit=0.9).marked(one))
    assert calm.severity == "info"


@pytest.mark.parametrize("seed", range(5))
def test_many_boxes_are_paired_as_few_are(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 400, (300, 2)), np.exp(rng.uniform(1, 5, (300, 2)))
    one = np.concatenate([corner, corner + size], axis=1)
    other = (one + rng.normal(0, 0.08, one.shape) * np.tile(size, 2))[rng.permutation(300)[:280]]
    whole = candidates(one, other, least=0.5)
    monkeypatch.setattr("snellen.data._overlap.MOST_PAIRS", 0)
    near = candidates(one, other, least=0.5)
    assert set(zip(*(side.tolist() for side in whole), strict=True)) == set(
        zip(*(side.tolist() for side in near), strict=True)
    )
    assert len(whole[0]) > 200


def test_a_hundred_thousand_boxes_in_one_image() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 20_000, (100_000, 2))
    one = np.concatenate([corner, corner + rng.uniform(8, 16, (100_000, 2))], axis=1)
    first, second, score = candidates(one, one[::-1] + 0.25, least=0.5)
    chosen = match(first, second, score)
    assert (first[chosen] + second[chosen] == 99_999).mean() > 0.99


def test_the_best_sum_wins_over_the_best_pair() -> None:
    chosen = match(np.asarray([0, 0, 1]), np.asarray([0, 1, 0]), np.asarray([0.9, 0.8, 0.8]))
    assert chosen.tolist() == [1, 2]


def test_crowded_places_are_paired_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snellen.data._overlap.MOST_AT_ONCE", 1)
    assert match(np.asarray([0, 0, 1]), np.asarray([0, 1, 0]), np.asarray([0.9, 0.8, 0.8])).tolist() == [0]


def test_iou_of_boxes() -> None:
    one = np.asarray([[0, 0, 2, 2], [0, 0, 0, 0], [0, 0, 4, 1]], dtype=float)
    assert box_iou(one, np.asarray([1, 0, 3, 2], dtype=float)).tolist() == [2 / 6, 0.0, 2 / 6]


@pytest.mark.parametrize("name", ["bccd", "stamps_det", "trees_deepforest"])
def test_the_planted_rate_lies_within_the_measured_interval(name: str, shared: Callable[[str], Path]) -> None:
    folder = shared(name)
    found = compare(*(of_coco(folder / place / "instances_train.json") for place in ("annotations", "annotator_B")))
    log = json.loads((folder / "annotator_B" / "instances_train_disagreement.json").read_text(encoding="utf-8"))["log"]
    rate = found.summary["rate"]
    planted = len({item["annotation_id"] for item in log}) / rate["of"]
    assert rate["low"] <= planted <= rate["high"]
    assert found.summary["samples"] == len(found.rows) > 60


def of_coco(file: Path) -> Catalog:
    document = json.loads(file.read_text(encoding="utf-8"))
    labels = {item["id"]: item["name"] for item in document["categories"]}
    drawn: dict[int, list[dict[str, Any]]] = {item["id"]: [] for item in document["images"]}
    for item in document["annotations"]:
        x, y, width, height = item["bbox"]
        problem = "" if min(width, height) > 0 else "zero area"
        drawn[item["image_id"]].append(
            {
                **cat(x, y, x + width, y + height, key=str(item["id"]), label=labels[item["category_id"]]),
                "problem": problem,
            }
        )
    rows = [{"id": item["file_name"], "path": item["file_name"]} for item in document["images"]]
    return (
        Catalog.of_rows(rows)
        .with_columns({"objects": objects_column(list(drawn.values()))})
        .with_about({"task": "detection"})
    )
