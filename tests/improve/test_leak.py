"""The score without what training has seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snellen.catalog import Catalog
from snellen.improve.leak import leak_adjusted, leak_scores, leaked
from snellen.recipe import Recipe
from snellen.rows import Predictions


def rows_of(right: list[bool]) -> Predictions:
    shown = np.asarray([[0.9, 0.1] if good else [0.1, 0.9] for good in right])
    return Predictions(
        tuple(f"v{i}" for i in range(len(right))), np.zeros(len(right), dtype=np.int64), shown, ("a", "b")
    )


def test_leaked_samples_are_those_of_a_cluster_with_training_images() -> None:
    rows = [
        {"id": "t0", "split": "train", "near": 0}, {"id": "v0", "split": "val", "near": 0},
        {"id": "v1", "split": "val", "near": 1}, {"id": "v2", "split": "val", "near": 1},
        {"id": "v3", "split": "val", "near": -1}, {"id": "t1", "split": "train", "near": -1},
        {"id": "x0", "split": "test", "near": 0}, {"id": "v4", "split": "val", "near": 0, "verdict": "blank"},
    ]  # fmt: skip
    catalog = Catalog.of_rows(rows)
    assert leaked(catalog, "val") == {"v0"}
    assert leaked(catalog, "test") == {"x0"}


def test_a_training_copy_that_is_left_out_teaches_nothing() -> None:
    rows = [
        {"id": "t0", "split": "train", "near": 0}, {"id": "v0", "split": "val", "near": 0},
        {"id": "t1", "split": "train", "near": 1}, {"id": "v1", "split": "val", "near": 1},
        {"id": "v2", "split": "val", "near": -1}, {"id": "x0", "split": "test", "near": -1},
    ]  # fmt: skip
    catalog = Catalog.of_rows(rows)
    assert leaked(catalog, "val", without=["t0"]) == {"v1"}
    shown = Predictions(
        ("v0", "v1", "v2"), np.zeros(3, dtype=np.int64), np.asarray([[0.9, 0.1]] * 2 + [[0.2, 0.8]]), ("a", "b")
    )
    recipe = Recipe().change({"data.drop": ["t0"]})
    found = leak_scores(catalog, {"val": shown, "test": replace(shown, ids=("x0", "x1", "x2"))}, recipe)
    assert found == {
        "val": {
            "metric": "accuracy",
            "value": pytest.approx(2 / 3),
            "without": 0.0,
            "samples": 3,
            "leaked": 2,
            "learnt": 1,
        }
    }


def test_the_value_without_them_is_that_of_the_others() -> None:
    rows = rows_of([True, True, True, False, False, True])
    found = leak_adjusted(rows, {"v0", "v1", "elsewhere"})
    assert found.value == pytest.approx(4 / 6)
    assert found.without == pytest.approx(2 / 4)
    assert (found.samples, found.leaked) == (6, 2)


def test_class_weights_are_those_of_what_is_left() -> None:
    rows = Predictions(
        ("v0", "v1", "v2", "v3"), np.asarray([0, 0, 1, 1]), np.asarray([[1.0, 0], [0, 1], [0, 1], [1, 0]]), ("a", "b")
    )
    assert leak_adjusted(rows, {"v0", "v3"}, metric="recall_macro").without == pytest.approx(0.5)
    assert leak_adjusted(rows, {"v1"}, metric="recall_macro").without == pytest.approx(0.75)


def test_a_loss_is_told_as_it_is() -> None:
    assert leak_adjusted(rows_of([True, False]), {"v1"}, metric="log_loss").without == pytest.approx(-np.log(0.9))


def test_nothing_may_be_left() -> None:
    assert leak_adjusted(rows_of([True]), {"v0"}).without is None
    assert leak_adjusted(rows_of([True]), set()).leaked == 0
