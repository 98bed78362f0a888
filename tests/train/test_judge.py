"""Labels judged by heads that have not seen them, on points whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from snellen.train.judge import LEAST, judge
from snellen.train.multilabel import judge_sets
from snellen.train.opinions import FOLDS, folds_of, opinions


def blobs(each: int, classes: int = 4, wide: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Points [n, 12] around one middle for every class, and their labels as text."""
    chance = np.random.default_rng(seed)
    middles = chance.normal(0, 1.5, (classes, 12))
    codes = np.repeat(np.arange(classes), each)
    points = middles[codes] + chance.normal(0, wide, (len(codes), 12))
    return points.astype(np.float32), np.asarray([f"class {code}" for code in codes], dtype=object)


def ask(points: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None):
    own = np.arange(len(points)) if groups is None else groups
    return judge(points, labels, own, np.linalg.norm(points, axis=1))


def test_flipped_labels_come_first_and_their_class_is_suggested() -> None:
    points, truth = blobs(60)
    labels = truth.copy()
    flipped = np.arange(0, len(labels), 16)
    labels[flipped] = np.roll(truth, 60)[flipped]
    found = ask(points, labels)
    worst = np.argsort(found.margin)[: len(flipped)]
    assert len(set(worst) & set(flipped)) >= 0.9 * len(flipped)
    assert (found.looks_like[flipped] == truth[flipped]).mean() >= 0.9
    assert np.median(found.quality[flipped]) < 0.05 < 0.8 < np.median(found.quality)
    assert (found.votes[flipped] == 1).mean() >= 0.9
    kept = np.setdiff1d(np.arange(len(labels)), flipped)
    assert (found.suggested[kept] == "").mean() >= 0.95
    assert found.gradient[flipped].mean() > 3 * found.gradient[kept].mean()


def test_copies_with_one_wrong_label_do_not_vouch_for_each_other() -> None:
    points, labels = blobs(40, classes=3)
    copies = np.repeat(points[:1], 6, axis=0)
    points = np.concatenate([points, copies])
    labels = np.concatenate([labels, np.full(6, "class 2", dtype=object)])
    groups = np.concatenate([np.arange(120), np.full(6, 120)])
    together, apart = ask(points, labels, groups), ask(points, labels)
    assert (together.quality[-6:] < 0.02).all()
    assert together.quality[-6:].mean() < apart.quality[-6:].mean()


def test_only_what_is_learnt_teaches() -> None:
    points, labels = blobs(60)
    learnt = np.arange(len(labels)) % 3 > 0
    turned = np.arange(0, len(labels), 12)
    other = labels.copy()
    other[turned] = np.roll(labels, 60)[turned]
    own = np.arange(len(labels))
    asked = [judge(points, given, own, np.ones(len(own)), learnt=learnt) for given in (labels, other)]
    # Wrong labels elsewhere are seen, and change nothing of what is thought of those that teach.
    assert not learnt[turned].any()
    assert asked[1].wrong[turned].mean() > 0.4 > 0.1 > np.delete(asked[1].wrong, turned).mean()
    assert (asked[0].wrong > 0.5).mean() < 0.02
    kept = [found.margin[learnt] for found in asked]
    assert np.corrcoef(kept[0], kept[1])[0, 1] > 0.95


def test_what_cannot_be_judged_is_not() -> None:
    points, labels = blobs(20, classes=2)
    labels[: LEAST - 1] = "rare"
    labels[5] = ""
    found = ask(points, labels)
    left_out = np.append(np.arange(LEAST - 1), 5)
    assert np.isnan(found.quality[left_out]).all()
    assert (found.looks_like[left_out] == "").all()
    assert np.isfinite(found.quality[10:]).all()
    assert np.isnan(ask(points, np.full(40, "one", dtype=object)).quality).all()


def test_a_class_that_one_fold_holds_alone_is_no_error() -> None:
    points, labels = blobs(30, classes=2)
    labels[:6] = "series"
    groups = np.arange(60)
    groups[:6] = 0
    found = ask(points, labels, groups)
    assert np.isfinite(found.quality).all()
    assert (found.quality[:6] < 0.1).all()


def test_folds_keep_groups_together_and_classes_even() -> None:
    chance = np.random.default_rng(1)
    groups = chance.integers(0, 150, 400)
    labels = groups % 3
    folds = folds_of(labels, groups, seed=4)
    assert all(len(set(folds[groups == group])) == 1 for group in np.unique(groups))
    for label in range(3):
        sizes = [len(set(groups[(folds == fold) & (labels == label)])) for fold in range(FOLDS)]
        assert max(sizes) - min(sizes) <= 1
    assert np.array_equal(folds, folds_of(labels, groups, seed=4))


def test_opinions_are_probabilities_that_can_be_believed() -> None:
    points, labels = blobs(150, wide=2.0)
    codes = np.unique(labels, return_inverse=True)[1]
    heads = opinions(points, codes, folds_of(codes, np.arange(len(codes))))
    assert np.allclose(np.exp(heads).sum(axis=2), 1, atol=1e-4)
    for head in heads:
        sure, right = np.exp(head.max(axis=1)), head.argmax(axis=1) == codes
        assert sure.mean() == pytest.approx(right.mean(), abs=0.08)


def test_a_missing_and_an_added_label_are_named() -> None:
    chance = np.random.default_rng(2)
    there = chance.random((400, 3)) < 0.4
    points = (there @ chance.normal(0, 4, (3, 10)) + chance.normal(0, 0.7, (400, 10))).astype(np.float32)
    labels = [[name for name, yes in zip("abc", row, strict=True) if yes] for row in there]
    lost = [row for row in range(0, 400, 20) if "b" in labels[row]]
    added = [row for row in range(5, 400, 40) if "c" not in labels[row]]
    for row in lost:
        labels[row].remove("b")
    for row in added:
        labels[row].append("c")
    found = judge_sets(points, labels, np.arange(400))
    named = {row for row in range(400) if "b" in found.missing[row]}
    assert len(named & set(lost)) >= 0.7 * len(lost)
    assert len(named - set(lost)) <= 2
    assert len({row for row in range(400) if "c" in found.extra[row]} & set(added)) >= 0.7 * len(added)
    assert np.median(found.quality[lost]) < 0.1 < np.median(found.quality)


def test_sets_without_enough_of_any_label_are_not_judged() -> None:
    found = judge_sets(np.ones((6, 2), dtype=np.float32), [["a"], [], [], [], [], []], np.arange(6))
    assert np.isnan(found.quality).all()
    assert found.missing == [[]] * 6
