"""Tints of classes: whether those of a group of images are the opposite of those elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

# Images of a class differ by as much at least, whatever a handful of them shows.
SPREAD = 0.01


@dataclass(frozen=True, slots=True)
class Tints:
    """Mean tint of each class in the group (`here` [k]) and elsewhere (`there` [k]), the standard error of their difference [k],
    and the number of the group's images."""

    here: np.ndarray
    there: np.ndarray
    error: np.ndarray
    images: int

    @classmethod
    def of(cls, tint: np.ndarray, members: Sequence[np.ndarray], inside: np.ndarray, *, each: int) -> Tints:
        """Of the tint [n] (red less blue) and membership [n] of the images; `members`: places of each class's images. A class needs
        `each` images on both sides."""
        known, images = np.isfinite(tint), 0
        rows: list[tuple[float, float, float]] = []
        for places in members:
            seen = places[known[places]]
            mine, theirs = tint[seen[inside[seen]]], tint[seen[~inside[seen]]]
            if min(len(mine), len(theirs)) < each:
                continue
            n, m = len(mine), len(theirs)
            # An exchange turns a tint over and leaves its spread.
            spread = math.sqrt((n * mine.var() + m * theirs.var()) / (n + m - 2))
            rows.append((float(mine.mean()), float(theirs.mean()), max(spread, SPREAD) * math.sqrt(1 / n + 1 / m)))
            images += n
        here, there, error = np.asarray(rows, dtype=np.float64).reshape(-1, 3).T
        return cls(here, there, error, images)

    @property
    def fit(self) -> float:
        """Probability of differences as large as are left once all tints of the group are turned over."""
        return float(chi2.sf(self._turned, max(1, len(self.here))))

    @property
    def power(self) -> float:
        """Power of ten of the odds for tints that are turned over, against any cast of light and any fading or strengthening of
        colours: those shift all classes alike and keep the order of their tints. One class says nothing: a shift explains it."""
        return (self._straight - self._turned) / (2 * math.log(10))

    @property
    def _turned(self) -> float:
        return float((((self.here + self.there) / self.error) ** 2).sum())

    @property
    def _straight(self) -> float:
        """Squared distance, in errors, to the best line here = cast + strength × there with a strength of 0 or more."""
        if not len(self.here):
            return 0.0
        weight = self.error**-2
        y, x = (side - np.average(side, weights=weight) for side in (self.here, self.there))
        strength = max(0.0, float((weight * x * y).sum() / max((weight * x * x).sum(), 1e-12)))
        return float((weight * (y - strength * x) ** 2).sum())
