"""Splits hold what belongs together together, keep the classes' shares, and leave given splits alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from snellen.annotations import objects_column
from snellen.catalog import Catalog
from snellen.data._bundles import bundles
from snellen.data.folds import folds, listed, with_folds
from snellen.data.split import split
from snellen.data.times import time_column
from snellen.values import SnellenError


def catalog_of(targets: Sequence[str], **columns: Sequence[Any]) -> Catalog:
    rows = [
        {"id": f"s{index:04d}", "target": target, **{name: values[index] for name, values in columns.items()}}
        for index, target in enumerate(targets)
    ]
    return Catalog.of_rows(rows)


def splits(catalog: Catalog) -> list[str]:
    return list(catalog.table.column("split").to_pylist())


def test_shares_hold_in_every_class() -> None:
    done = split(catalog_of(["a"] * 400 + ["b"] * 100 + ["c"] * 20), val=0.2, test=0.1, seed=0)
    assert done.of("train").counts() == {"a": 280, "b": 70, "c": 14}
    assert done.of("val").counts() == {"a": 80, "b": 20, "c": 4}
    assert done.of("test").counts() == {"a": 40, "b": 10, "c": 2}


def test_the_seed_decides_and_nothing_else() -> None:
    catalog = catalog_of(["a"] * 50 + ["b"] * 50)
    once, again, other = (splits(split(catalog, val=0.2, test=0.2, seed=seed)) for seed in (1, 1, 2))
    assert once == again
    assert once != other


@pytest.mark.parametrize("seed", range(5))
def test_groups_copies_and_near_copies_stay_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 300
    columns = {
        "group": [str(number) if number < 60 else "" for number in rng.integers(0, 90, count)],
        "content": [f"c{number}" for number in rng.integers(0, 280, count)],
        "near": rng.integers(-1, 20, count).tolist(),
    }
    columns["near"] = [value if index % 7 == 0 else -1 for index, value in enumerate(columns["near"])]
    done = split(catalog_of(rng.choice(list("abc"), count).tolist(), **columns), val=0.2, test=0.2, seed=seed)
    names = np.asarray(splits(done))
    for name, blank in (("group", ""), ("content", ""), ("near", "-1")):
        values = done.column(name).astype(str)
        for value in set(values.tolist()) - {blank}:
            assert len(set(names[values == value])) == 1
    assert done.counts("split").keys() == {"train", "val", "test"}


def test_given_splits_are_never_changed() -> None:
    given = ["train"] * 10 + ["val"] * 3 + ["test"] * 3
    catalog = catalog_of(["a", "b"] * 8, split=given)
    assert splits(split(catalog, val=0.5, test=0.5, seed=0)) == given


@pytest.mark.parametrize(("other", "missing"), [("test", "val"), ("val", "test")])
def test_the_missing_split_is_taken_from_train(other: str, missing: str) -> None:
    given = ["train"] * 80 + [other] * 20
    done = split(catalog_of(["a", "b"] * 50, split=given), val=0.25, test=0.25, seed=0)
    assert done.counts("split") == {"train": 60, missing: 20, other: 20}
    assert splits(done)[80:] == [other] * 20


def test_no_test_share_means_no_test() -> None:
    assert split(catalog_of(["a", "b"] * 20), val=0.2, test=0, seed=0).counts("split") == {"train": 32, "val": 8}


def test_a_sample_follows_its_group_into_a_given_split() -> None:
    catalog = catalog_of(["a"] * 20, split=["test"] + [""] * 19, group=["g", "g", *map(str, range(18))])
    done = splits(split(catalog, val=0.2, test=0.2, seed=0))
    assert done[:2] == ["test", "test"]
    assert done.count("test") == 2


@pytest.mark.parametrize("size", [3, 4, 5])
def test_small_classes_are_in_every_split(size: int) -> None:
    done = split(catalog_of(["a"] * 60 + ["b"] * size), val=0.15, test=0.15, seed=0)
    assert all("b" in done.of(name).counts() for name in ("train", "val", "test"))


def test_very_small_classes_stay_in_train() -> None:
    done = split(catalog_of(["a"] * 60 + ["b"] * 2), val=0.15, test=0.15, seed=0)
    assert done.of("train").counts()["b"] == 2


def test_one_large_group_stays_in_train() -> None:
    catalog = catalog_of(["a", "b"] * 50, group=["g"] * 60 + [""] * 40)
    done = split(catalog, val=0.2, test=0.2, seed=0)
    assert set(splits(done)[:60]) == {"train"}
    assert done.counts("split")["val"] == 20


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(SnellenError, match="every sample is in val or test"):
        split(catalog_of(["a", "b"], split=["val", "test"]), val=0.2, test=0.2, seed=0)


def test_unusable_samples_do_not_count() -> None:
    verdicts = ["blank" if index % 2 else "ok" for index in range(200)]
    done = split(catalog_of(["a"] * 200, verdict=verdicts), val=0.2, test=0.2, seed=0)
    assert done.usable().counts("split") == {"train": 60, "test": 20, "val": 20}


BLANK = {"group": "", "content": "", "near": "-1"}


def tangled(seed: int, count: int = 400) -> Catalog:
    """Three classes, a third of the rows in groups, copies and near clusters that overlap each other."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {
        "group": [str(number) if number < 60 else "" for number in rng.integers(0, 180, count)],
        "content": [f"c{number}" for number in rng.integers(0, 4 * count, count)],
        "near": [int(number) if number < 30 else -1 for number in rng.integers(0, 200, count)],
    }
    return catalog_of(rng.choice(list("abc"), count, p=[0.6, 0.3, 0.1]).tolist(), **columns)


def assert_nothing_crosses(catalog: Catalog, places: np.ndarray) -> None:
    for name, blank in BLANK.items():
        values = catalog.column(name).astype(str)
        for value in set(values.tolist()) - {blank}:
            assert len(set(places[values == value].tolist())) == 1, (name, value)


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    catalog = tangled(seed)
    shuffled = np.random.default_rng(100 + seed).permutation(len(catalog))
    done = splits(split(catalog, val=0.2, test=0.1, seed=seed))
    assert splits(split(catalog.take(shuffled), val=0.2, test=0.1, seed=seed)) == [done[row] for row in shuffled]
    assert (folds(catalog.take(shuffled), 5, seed) == folds(catalog, 5, seed)[shuffled]).all()


@pytest.mark.parametrize("seed", range(8))
def test_classes_keep_their_shares_within_a_cluster(seed: int) -> None:
    catalog = tangled(seed)
    done = split(catalog, val=0.2, test=0.1, seed=seed)
    assert_nothing_crosses(done, done.column("split").astype(str))
    for name, share in (("val", 0.2), ("test", 0.1)):
        for label, count in catalog.counts().items():
            held = done.of(name).counts().get(label, 0)
            assert abs(held - share * count) <= max(1.0, 0.15 * share * count), (name, label, held, share * count)


@pytest.mark.parametrize(("seed", "k"), [(seed, k) for seed in range(4) for k in (2, 3, 5, 10)])
def test_folds_hold_together_what_belongs_together_and_share_the_classes(seed: int, k: int) -> None:
    catalog = tangled(seed)
    done = folds(catalog, k, seed)
    assert sorted(set(done.tolist())) == list(range(k))
    assert_nothing_crosses(catalog, done)
    sizes = np.bincount(done, minlength=k)
    largest = np.bincount(bundles(catalog)).max()  # What belongs together may be more than a fold should have.
    assert max(sizes.max() - largest, 0) <= sizes.min()
    assert sizes.min() >= 0.85 * min(len(catalog) / k, (len(catalog) - largest) / (k - 1)) - 2
    targets = catalog.column("target").astype(str)
    for label, count in catalog.counts().items():
        held = np.bincount(done[targets == label], minlength=k)
        largest = np.bincount(bundles(catalog)[targets == label]).max()
        assert held.max() <= max(largest, 1.2 * count / k, count / k + 2), (label, held.tolist())
        assert held.min() >= 0.8 * (count - largest) / (k - 1) - 2 or held.min() >= 0.8 * count / k, (
            label,
            held.tolist(),
        )


def test_folds_of_single_samples_are_even() -> None:
    catalog = catalog_of(["a"] * 50 + ["b"] * 20 + ["c"] * 5)
    done = folds(catalog, 5, 0)
    targets = catalog.column("target").astype(str)
    assert [np.bincount(done[targets == name]).tolist() for name in "abc"] == [[10] * 5, [4] * 5, [1] * 5]
    assert (done == folds(catalog, 5, 0)).all()
    assert (done != folds(catalog, 5, 1)).any()


def test_folds_that_cannot_be_filled_are_refused() -> None:
    with pytest.raises(SnellenError, match="2 or more"):
        folds(catalog_of(["a"] * 5), 1, 0)
    with pytest.raises(SnellenError, match=r"2 groups .* 3 folds"):
        folds(catalog_of(["a"] * 5, group=["x", "x", "x", "y", "y"]), 3, 0)


def drawn(labels: Sequence[Sequence[str]]) -> Catalog:
    objects = objects_column([[{"label": name, "box": [0, 0, 9, 9]} for name in names] for names in labels])
    return catalog_of([""] * len(labels)).with_columns({"objects": objects}).with_about({"task": "detection"})


def test_images_with_objects_are_divided_by_their_rarest_label() -> None:
    labels = [["common"] * 3] * 80 + [["common", "rare"]] * 10 + [[]] * 10
    done = split(drawn(labels), val=0.2, test=0.1, seed=0)
    rare = np.asarray(["rare" in names for names in labels])
    empty = np.asarray([not names for names in labels])
    places = done.column("split").astype(str)
    for group, expected in ((rare, (7, 2, 1)), (empty, (7, 2, 1)), (~rare & ~empty, (56, 16, 8))):
        assert tuple((places[group] == name).sum() for name in ("train", "val", "test")) == expected
    assert np.bincount(folds(drawn(labels), 5, 0)[rare]).tolist() == [2] * 5


def test_several_labels_are_divided_by_the_rarest() -> None:
    labels = [["sea", "sky"]] * 60 + [["boat", "sea"]] * 20 + [["sky"]] * 20
    catalog = catalog_of([""] * 100).with_columns({"labels": labels}).with_about({"task": "multilabel"})
    done = split(catalog, val=0.2, test=0.1, seed=3)
    boats = np.asarray(["boat" in names for names in labels])
    assert dict(zip(*np.unique(done.column("split").astype(str)[boats], return_counts=True), strict=True)) == {
        "test": 2, "train": 14, "val": 4,
    }  # fmt: skip


def test_what_comes_later_is_held_out() -> None:
    rng = np.random.default_rng(0)
    hours = rng.permutation(200)
    stamps = [f"2024-03-{1 + hour // 24:02d}T{hour % 24:02d}:00:00" for hour in hours]
    done = split(catalog_of(["a", "b"] * 100, meta_time=stamps), val=0.2, test=0.1, seed=0, time="meta_time")
    places = done.column("split").astype(str)
    assert {name: int((places == name).sum()) for name in ("train", "val", "test")} == {
        "train": 140,
        "val": 40,
        "test": 20,
    }
    assert hours[places == "train"].max() < hours[places == "val"].min()
    assert hours[places == "val"].max() < hours[places == "test"].min()


@pytest.mark.parametrize("seed", range(5))
def test_time_does_not_tear_groups_apart(seed: int) -> None:
    catalog = tangled(seed)
    hours = np.random.default_rng(seed).normal(0, 1, len(catalog))
    catalog = catalog.with_columns({"meta_time": hours.astype(str)})
    done = split(catalog, val=0.2, test=0.1, seed=seed, time="meta_time")
    places = done.column("split").astype(str)
    assert_nothing_crosses(done, places)
    assert set(places.tolist()) == {"train", "val", "test"}
    # No training sample is later than what was learnt to be held out: every held-out cluster ends after all of train.
    latest = {name: hours[places == name].max() for name in ("train", "val", "test")}
    assert latest["train"] < latest["val"] < latest["test"]
    assert abs((places == "val").mean() - 0.2) < 0.05
    shuffled = np.random.default_rng(seed).permutation(len(catalog))
    again = split(catalog.take(shuffled), val=0.2, test=0.1, seed=seed, time="meta_time")
    assert (again.column("split").astype(str) == places[shuffled]).all()


def test_samples_of_one_time_and_without_one() -> None:
    days = ["2024:05:01 10:00:00"] * 6 + ["2024-05-02T09:00:00+02:00"] * 2 + ["2024-05-03"] * 2 + [""] * 2
    done = splits(split(catalog_of(["a"] * 12, meta_time=days), val=0.1, test=0.1, seed=0, time="meta_time"))
    assert done == ["train"] * 6 + ["val"] * 2 + ["test"] * 2 + ["train"] * 2


def test_times_that_do_not_help_are_refused() -> None:
    same = catalog_of(["a"] * 4, meta_time=["2024-05-01"] * 4)
    with pytest.raises(SnellenError, match="1 different times leave nothing for train"):
        split(same, val=0, test=0.2, seed=0, time="meta_time")
    with pytest.raises(SnellenError, match="'yesterday', expected a date"):
        split(catalog_of(["a"] * 2, meta_time=["2024-05-01", "yesterday"]), val=0, test=0.2, seed=0, time="meta_time")
    with pytest.raises(SnellenError, match=r"no column 'meta_tim' .*did you mean 'meta_time'"):
        split(same, val=0, test=0.2, seed=0, time="meta_tim")


@pytest.mark.parametrize(
    ("columns", "asked", "found"),
    [
        ({"meta_time": ["1"], "meta_date": ["2"]}, "auto", "meta_time"),
        ({"meta_captured": ["2024-05-07"]}, "auto", "meta_captured"),
        ({"meta_day": ["3"]}, "day", "meta_day"),
        ({"meta_day": ["3"]}, "meta_day", "meta_day"),
    ],
)
def test_the_column_of_times_is_found_by_its_name(columns: dict[str, Any], asked: str, found: str) -> None:
    assert time_column(catalog_of(["a"], **columns), asked) == found


def test_without_a_column_of_times_those_there_are_named() -> None:
    with pytest.raises(SnellenError, match=r"no column of times .*own columns: lens.*--split time=COLUMN"):
        split(catalog_of(["a", "b"], meta_lens=["x", "y"]), val=0.2, test=0.2, seed=0, time="auto")


def test_folds_leave_the_test_split_alone_and_are_listed() -> None:
    catalog = catalog_of(["a", "b"] * 10, path=[f"p {i},1.jpg" for i in range(20)], split=["test"] * 5 + ["train"] * 15)
    done = with_folds(catalog, 3, seed=0)
    assert done.column("fold")[:5].tolist() == [-1] * 5
    assert sorted(np.bincount(done.column("fold")[5:])) == [5, 5, 5]
    lines = listed(done).splitlines()
    assert lines[:2] == ["path,split,fold", '"p 0,1.jpg",test,-1']
    assert len(lines) == 21
