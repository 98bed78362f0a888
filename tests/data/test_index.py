"""What the index finds is what a comparison of all with all finds, where it matters."""

from __future__ import annotations

import numpy as np
import pytest

from snellen.data import index
from snellen.data.index import nearest


def points_of(count: int, wide: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, wide)).astype(np.float32)


def test_few_points_are_compared_with_all() -> None:
    points = points_of(200)
    rows, away = nearest(points, 5)
    every = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(every, np.inf)
    assert (rows == np.argsort(every, axis=1)[:, :5]).all()
    np.testing.assert_allclose(away, np.sort(every, axis=1)[:, :5], atol=1e-3)


def test_copies_among_many_points_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "FEW", 500)
    points = points_of(6000)
    points[-300:] = points[:300] + points_of(300, seed=1) * 0.05
    rows, away = nearest(points, 4)
    assert (rows[-300:, 0] == np.arange(300)).mean() > 0.99
    assert (np.diff(away, axis=1) >= 0).all()
    assert (rows[np.isfinite(away)] != np.repeat(np.arange(6000), 4).reshape(6000, 4)[np.isfinite(away)]).all()
    assert all(len(set(row)) == 4 for row in rows[:500].tolist())
    assert np.array_equal(rows, nearest(points, 4)[0])


@pytest.mark.parametrize("count", [1, 2, 4])
def test_fewer_points_than_neighbours(count: int) -> None:
    rows, away = nearest(points_of(count), 6)
    assert rows.shape == away.shape == (count, count - 1)


def test_points_that_are_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "FEW", 50)
    assert (nearest(np.ones((300, 3), dtype=np.float32), 3)[1] == 0).all()
