"""Agreement beyond chance, and shares with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

# Draws of the bootstrap; fewer where there is so much to draw from that the quantiles hardly move.
MOST_DRAWS, FEWEST_DRAWS, WORK = 1_000, 200, 100_000_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `of`, with Wilson's interval (0 to 1 where nothing was counted)."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share; 0 of nothing is 0."""
        return self.count / self.of if self.of else 0.0

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Low and high. Source: Wilson, Probable inference (1927); Brown, Cai and DasGupta (2001)."""
        if not self.of:
            return 0.0, 1.0
        z = float(norm.ppf((1 + level) / 2))
        share, n = self.value, self.of
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        # At the ends the interval begins (or stops) exactly there; rounding must not say otherwise.
        low = 0.0 if self.count == 0 else max(0.0, middle - float(half))
        return low, 1.0 if self.count == n else min(1.0, middle + float(half))

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        low, high = self.interval()
        return {"count": self.count, "of": self.of, "value": self.value, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class Kappa:
    """Chance-corrected agreement with its bootstrap interval; None where all gave one and the same class."""

    value: float | None
    low: float | None
    high: float | None
    of: int

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"value": self.value, "low": self.low, "high": self.high, "of": self.of}


def cohen(one: np.ndarray, other: np.ndarray, images: np.ndarray, *, seed: int) -> Kappa:
    """Cohen's kappa of classes [m] (numbers from 0), its interval from drawing whole images ([m] number of the image).

    Source: Cohen, A coefficient of agreement for nominal scales (1960).
    """
    size = int(max(one.max(initial=-1), other.max(initial=-1))) + 1
    same = one == other

    def of(weights: np.ndarray) -> float:
        total = float(weights.sum())
        sides = [np.bincount(side, weights=weights, minlength=size) / total for side in (one, other)]
        return _corrected(float(weights[same].sum()) / total, float(sides[0] @ sides[1]))

    return _bootstrapped(of, images, seed)


def fleiss(ratings: np.ndarray, images: np.ndarray, *, seed: int) -> Kappa:
    """Fleiss' kappa of classes [m, raters] (numbers from 0), its interval from drawing whole images.

    Source: Fleiss, Measuring nominal scale agreement among many raters (1971).
    """
    size, raters = int(ratings.max(initial=-1)) + 1, ratings.shape[1]
    counts = np.zeros((len(ratings), size))
    for column in ratings.T:
        counts[np.arange(len(ratings)), column] += 1
    alike = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))

    def of(weights: np.ndarray) -> float:
        total = float(weights.sum())
        return _corrected(float(weights @ alike) / total, float((((weights @ counts) / (total * raters)) ** 2).sum()))

    return _bootstrapped(of, images, seed)


def _corrected(seen: float, by_chance: float) -> float:
    return float("nan") if by_chance > 1 - 1e-12 else (seen - by_chance) / (1 - by_chance)


def _bootstrapped(of: Callable[[np.ndarray], float], images: np.ndarray, seed: int) -> Kappa:
    """The statistic of weights [m] at weight one, and the middle 95 % of it over images drawn with replacement."""
    if not len(images):
        return Kappa(None, None, None, 0)
    _, image = np.unique(images, return_inverse=True)
    count = int(image.max()) + 1
    value = of(np.ones(len(image)))
    if np.isnan(value):
        return Kappa(None, None, None, len(image))
    rng = np.random.default_rng(seed)
    draws = int(np.clip(WORK / len(image), FEWEST_DRAWS, MOST_DRAWS))
    drawn = []
    for _ in range(draws):
        times = np.bincount(rng.integers(count, size=count), minlength=count)
        drawn.append(of(times[image].astype(float)))
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Kappa(value, float(low), float(high), len(image))
