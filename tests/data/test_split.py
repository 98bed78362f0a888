"""Splits hold what belongs together together, keep the classes' shares, and leave given splits alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from snellen.catalog import Catalog
from snellen.data.split import split
from snellen.values import SnellenError


def catalog_of(targets: Sequence[str], **columns: Sequence[object]) -> Catalog:
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
