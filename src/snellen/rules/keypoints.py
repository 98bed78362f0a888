"""What the rules on keypoints share: the points as one array, which of them are a left and a right one, and where the others
say that a point should be."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.rules.objects import NORMAL

# Rounds of fitting all sets to the middle shape and taking that anew.
ROUNDS = 5
# Left and right are taken for swapped where the misfit falls below this share of it.
TURNED = 0.8
LEFT = re.compile(r"left|(?<![a-z])l(?![a-z])", re.IGNORECASE)
RIGHT = {"left": "right", "l": "r"}


@dataclass(frozen=True, slots=True)
class Points:
    """The keypoints of the objects at `places` [n]: `at` [n, k] complex numbers (x + iy, NaN where a point is not marked) in
    pixels, `size` [n] the side of the square of the box's area, `names` of the points."""

    objects: Objects
    places: np.ndarray
    at: np.ndarray
    size: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, catalog: Catalog) -> Points:
        """The usable objects with all their points listed; raises MissingSignal where the catalog has no objects."""
        objects = Objects.of(catalog)
        names = tuple(map(str, catalog.about("keypoints") or ()))
        found = objects.keypoints()
        sides = objects.box[:, 2:] - objects.box[:, :2]
        good = objects.usable & (np.nan_to_num(sides) > 0).all(axis=1)
        places = [place for place, item in enumerate(found) if good[place] and names and len(item) == len(names)]
        listed = np.asarray([found[place] for place in places], dtype=np.float64).reshape(len(places), len(names), 3)
        # Counted as places of the image only where they are marked: v of 0 stands at 0, 0.
        at = np.where(listed[:, :, 2] > 0, listed[:, :, 0] + 1j * listed[:, :, 1], np.nan + 1j * np.nan)
        return cls(objects, np.asarray(places, dtype=np.int64), at, np.sqrt(sides[places].prod(axis=1)), names)

    @property
    def marked(self) -> np.ndarray:
        """[n, k] bool."""
        return np.asarray(np.isfinite(self.at))

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Columns of the left and the right point of every pair, by their names."""
        rows = {name.lower(): column for column, name in enumerate(self.names)}
        found = []
        for name, column in rows.items():
            other = LEFT.sub(lambda match: RIGHT[match.group().lower()], name, count=1)
            if other != name and other in rows:
                found.append((column, rows[other]))
        return found


@dataclass(frozen=True, slots=True)
class Expected:
    """Where the other points of its set say that a point should be: `away` [n, k] the distance of the point from there, and
    `ease` [n, k] the deviation of the other points from the middle shape, both in sides of the box; NaN where fewer than three
    others are marked. `at` [n, k] is the place."""

    away: np.ndarray
    ease: np.ndarray
    at: np.ndarray


def expected(points: Points) -> Expected:
    """Fit the middle shape of the data set to all points but one, point by point (similarity; Goodall 1991, "Procrustes methods
    in the statistical analysis of shape"). The middle shape is one of medians, so that faulty sets do not bend it."""
    shape = _middle_shape(points.at)
    away, ease = (np.full(points.at.shape, np.nan) for _ in range(2))
    at = np.full(points.at.shape, np.nan + 1j * np.nan)
    for column in range(points.at.shape[1]):
        others = points.marked.copy()
        others[:, column] = False
        rows = np.flatnonzero((others.sum(axis=1) >= 3) & points.marked[:, column])
        if len(rows):
            fitted = _fitted(shape, points.at[rows], others[rows])
            left = np.where(others[rows], np.abs(fitted - points.at[rows]), 0.0)
            ease[rows, column] = np.sqrt((left**2).sum(axis=1) / others[rows].sum(axis=1)) / points.size[rows]
            away[rows, column] = np.abs(fitted[:, column] - points.at[rows, column]) / points.size[rows]
            at[rows, column] = fitted[:, column]
    return Expected(away, ease, at)


@dataclass(frozen=True, slots=True)
class Strays:
    """Single points that are far from where the others are: rows and columns [s], the distance in sides of the box."""

    rows: np.ndarray
    columns: np.ndarray
    away: np.ndarray
    at: np.ndarray


def strays(points: Points, *, far: float, least: float) -> Strays:
    """At most one point of a set: the one without which the others look most as usual. It must be `far` robust standard
    deviations farther away than this point usually is, and `least` sides of the box."""
    found = expected(replace(points, at=_turned_round(points)))
    seen = np.isfinite(found.ease).any(axis=1) if found.ease.size else np.zeros(len(points.at), dtype=bool)
    rows = np.flatnonzero(seen)
    columns = np.nanargmin(found.ease[rows], axis=1) if len(rows) else np.zeros(0, dtype=np.int64)
    away = found.away[rows, columns]
    odd = (away > _limits(found.away, far)[columns]) & (away > least)
    return Strays(rows[odd], columns[odd], away[odd], found.at[rows[odd], columns[odd]])


def _turned_round(points: Points) -> np.ndarray:
    """The points [n, k], left and right exchanged where the middle shape then fits clearly better: a swapped pair is no stray."""
    at = points.at
    shape = _middle_shape(at)
    for one, other in points.pairs:
        swapped = at.copy()
        swapped[:, [one, other]] = at[:, [other, one]]
        both = [_misfit(shape, version) for version in (at, swapped)]
        at = np.where((both[1] < TURNED * both[0])[:, None], swapped, at)
    return at


def _misfit(shape: np.ndarray, at: np.ndarray) -> np.ndarray:
    """[n] root mean square distance of the points from the shape fitted to them."""
    marked = np.isfinite(at)
    left = np.where(marked, np.abs(_fitted(shape, at, marked) - at), 0.0)
    return np.asarray(np.sqrt((left**2).sum(axis=1) / np.maximum(marked.sum(axis=1), 1)))


def _limits(away: np.ndarray, far: float) -> np.ndarray:
    """For every point the median distance and `far` robust deviations [k]."""
    limits = np.full(away.shape[1], np.inf)
    for column, values in enumerate(away.T):
        values = values[np.isfinite(values)]
        if len(values):
            middle = np.median(values)
            limits[column] = middle + far * NORMAL * np.median(np.abs(values - middle))
    return limits


def _middle_shape(at: np.ndarray) -> np.ndarray:
    """[k] complex: the sets moved, turned and scaled onto each other, and their medians."""
    marked = np.isfinite(at)
    if not marked.any():
        return np.zeros(at.shape[1], dtype=complex)
    fullest = at[marked.sum(axis=1) == marked.sum(axis=1).max()]
    shape = np.nan_to_num(fullest[0] - np.nanmean(fullest[0]))
    for _ in range(ROUNDS):
        back = _fitted_back(shape, at, marked)
        middle = [_median(column[good]) for column, good in zip(back.T, marked.T, strict=True)]
        shape = np.asarray(middle) - np.mean(middle)
        shape = shape / max(float(np.sqrt((np.abs(shape) ** 2).mean())), 1e-9)
    return shape


def _median(values: np.ndarray) -> complex:
    return complex(np.median(values.real), np.median(values.imag)) if len(values) else 0j


def _similarity(one: np.ndarray, other: np.ndarray, use: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn and scale [n], middle of `one` and of `other` [n] that bring points `one` onto `other` [n, k] by least squares."""
    weight = use / np.maximum(use.sum(axis=1, keepdims=True), 1)
    one, other = np.where(use, one, 0), np.where(use, other, 0)
    first, second = (one * weight).sum(axis=1), (other * weight).sum(axis=1)
    a, b = np.where(use, one - first[:, None], 0), np.where(use, other - second[:, None], 0)
    power = np.maximum((np.abs(a) ** 2).sum(axis=1), 1e-9)
    return (np.conj(a) * b).sum(axis=1) / power, first, second


def _fitted(shape: np.ndarray, at: np.ndarray, use: np.ndarray) -> np.ndarray:
    """The shape [k] brought onto the points in use of every set, [n, k]."""
    whole = np.broadcast_to(shape, at.shape)
    turn, first, second = _similarity(whole, at, use)
    return np.asarray(turn[:, None] * (whole - first[:, None]) + second[:, None])


def _fitted_back(shape: np.ndarray, at: np.ndarray, use: np.ndarray) -> np.ndarray:
    """Every set brought onto the shape [n, k]."""
    turn, first, second = _similarity(at, np.broadcast_to(shape, at.shape), use)
    return np.asarray(turn[:, None] * (at - first[:, None]) + second[:, None])
