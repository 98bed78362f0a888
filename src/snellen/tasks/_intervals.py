"""Intervals of scores over samples: Wilson's for a share, a stratified bootstrap for anything else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.stats import norm

from snellen.rows import Predictions
from snellen.shelf import hint
from snellen.tasks._scores import METRICS, accuracy
from snellen.values import SnellenError

Score = Callable[[np.ndarray, np.ndarray], float | None]

# Numbers that all draws together may touch: about a second of work. Large splits get fewer draws, never below 200.
WORK = 200_000_000


def wilson(hits: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share of n (Wilson 1927): holds its level for small n and near 0 and 1, unlike hits/n ± error."""
    if not 0 <= hits <= n or n < 1:
        raise SnellenError(f"{hits} of {n} is no share; expected 0 <= hits <= n and n of 1 or more")
    z = float(norm.ppf((1 + level) / 2))
    share, scale = hits / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    reach = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(centre - reach, share)), min(1.0, max(centre + reach, share))


def interval(
    metric: str | Score, rows: Predictions, *, seed: int = 0, draws: int = 1000, level: float = 0.95
) -> dict[str, Any]:
    """{"value", "low", "high", "n", "level", "draws"} of a metric by name, or of any `score(targets, probabilities)`.

    Accuracy has Wilson's interval (draws 0); others the percentile bootstrap over samples drawn within each class
    (Efron 1979): within, because the macro average of a draw that lost a small class would be of another thing. A class
    of very few samples spreads less in the draws than in truth: its n belongs beside the figure. Value, low and high
    are None where the metric is not defined for these rows. Raises SnellenError for an unknown name or no rows.
    """
    if isinstance(metric, str) and metric not in METRICS:
        raise SnellenError(f"no metric is named {metric!r}{hint(metric, METRICS)}")
    score = METRICS[metric] if isinstance(metric, str) else metric
    value = score(rows.targets, rows.probabilities)
    about = {"n": len(rows.ids), "level": level}
    if value is None:
        return {"value": None, "low": None, "high": None, **about, "draws": 0}
    if score is accuracy:
        low, high = wilson(int(rows.correct.sum()), len(rows.ids), level=level)
        return {"value": value, "low": low, "high": high, **about, "draws": 0}
    numbers = bootstrap(score, rows, seed=seed, draws=draws)
    low, high = np.quantile(numbers, [(1 - level) / 2, (1 + level) / 2])
    return {"value": value, "low": float(low), "high": float(high), **about, "draws": len(numbers)}


def bootstrap(score: Score, rows: Predictions, *, seed: int = 0, draws: int = 1000) -> np.ndarray:
    """The score of each draw, [draws]; large splits get fewer draws than asked for, never below 200."""
    draws = max(min(draws, 200), min(draws, WORK // max(rows.probabilities.size, 1)))
    found = (score(rows.targets[chosen], rows.probabilities[chosen]) for chosen in _drawn(rows.targets, seed, draws))
    return np.asarray([number for number in found if number is not None])


def _drawn(targets: np.ndarray, seed: int, draws: int) -> Iterator[np.ndarray]:
    """Row numbers [n] of each draw, drawn with replacement within each class."""
    random = np.random.default_rng(seed)
    members = [np.flatnonzero(targets == name) for name in np.unique(targets)]
    for _ in range(draws):
        yield np.concatenate([rows[random.integers(len(rows), size=len(rows))] for rows in members])
