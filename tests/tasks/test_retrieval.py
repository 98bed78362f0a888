"""Retrieval of embeddings: by hand on points in the plane, against all pairs, and what has no answer."""

from __future__ import annotations

import numpy as np
import pytest

from snellen.tasks._retrieval import PAIRS, best_threshold, pairs, retrieval


def turned(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.arange(1, len(degrees) + 1)[:, None]


def test_recall_by_hand() -> None:
    # Nearest other by angle, whatever the length: 0 finds 10 (its own), 10 finds 12 (a stranger), 12 finds 10 (a stranger), 100 is
    # far but of 12's class, and finds it third, 200 is alone in its class and not asked.
    found = retrieval(turned(0, 10, 12, 100, 200), np.asarray([0, 0, 1, 1, 2]))
    assert found["recall_at_1"]["value"] == pytest.approx(2 / 4)
    assert found["recall_at_1"]["n"] == 4
    assert found["recall_at_5"]["value"] == 1.0


def test_equal_features_are_no_good_ranking() -> None:
    found = retrieval(np.ones((40, 3)), np.arange(40) % 8)
    assert found["recall_at_5"]["value"] == 0.0
    assert found["verification"]["value"] == pytest.approx(0.5, abs=0.02)


def test_it_agrees_with_all_pairs_at_once() -> None:
    chance = np.random.default_rng(0)
    targets = chance.integers(0, 7, 1300)
    features = chance.normal(0, 1, (1300, 8)) + 1.2 * chance.normal(0, 1, (7, 8))[targets]
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -9)
    nearest = np.argsort(-alike, axis=1)[:, :5]
    found = retrieval(features, targets)
    for k in (1, 5):
        share = (targets[nearest[:, :k]] == targets[:, None]).any(axis=1).mean()
        assert found[f"recall_at_{k}"]["value"] == pytest.approx(share, abs=1e-3)
    row = found["verification"]
    assert row["pairs"] == PAIRS
    assert 0.5 < row["low"] < row["value"] < row["high"] < 1
    assert -1 < row["threshold"] < 1


def test_what_is_told_apart_is_told_apart() -> None:
    found = retrieval(np.eye(3)[np.arange(60) % 3], np.arange(60) % 3)
    assert found["recall_at_1"]["value"] == found["verification"]["value"] == 1.0
    assert found["verification"]["high"] == 1.0


def test_without_a_second_image_there_is_no_answer() -> None:
    found = retrieval(np.eye(4), np.arange(4))
    assert found["recall_at_1"] == {"value": None, "low": None, "high": None, "n": 0}
    assert found["verification"]["value"] is None
    assert found["verification"]["threshold"] is None


def test_a_threshold_of_scores_that_stand_apart() -> None:
    alike = np.asarray([0.9, 0.8, 0.3, 0.1])
    assert best_threshold(alike, np.asarray([True, True, False, False])) == 0.8
    left, right, same = pairs(np.arange(12) % 2)
    assert (left != right).all()
    assert same.mean() == 0.5
