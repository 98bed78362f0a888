"""What the rules on masks share: which masks can be judged, which change would explain one best, and their finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snellen.catalog import Catalog, MissingSignal
from snellen.values import Finding

# One tenth of intersection over union counts as much as edges that are 1.65 times as strong (e to the 0.5).
WEIGHT = 5.0
# The mask of another sample: how alike it must be to what is seen, and by how much more than the own one.
ALIKE, AHEAD, CERTAIN = 0.6, 0.35, 0.9
# A mask lies elsewhere than its object: see `Explained.displacement`; pixels and share of the side that it must be at least.
DISPLACED = 0.8
# A mask is drawn too small or too large: see `Explained.growth`.
GROWN = 0.95
MOST_LISTED = 200


def numbers(catalog: Catalog, name: str) -> np.ndarray:
    """A measured column as [n] float; raises MissingSignal without it."""
    if not catalog.has(name):
        raise MissingSignal(name)
    values = [np.nan if value is None else float(value) for value in catalog.table.column(name).to_pylist()]
    return np.asarray(values, dtype=np.float64)


def texts(catalog: Catalog, name: str) -> np.ndarray:
    """A measured text column, [n]; null is empty. Raises MissingSignal without it."""
    if not catalog.has(name):
        raise MissingSignal(name)
    return np.asarray([value or "" for value in catalog.table.column(name).to_pylist()], dtype=object).astype(str)


def boxes(catalog: Catalog, name: str) -> list[list[float]]:
    """A column of boxes (x0, y0, x1, y1 in pixels) rounded to tenths; a missing one is empty."""
    if not catalog.has(name):
        return [[] for _ in range(len(catalog))]
    found = catalog.table.column(name).to_pylist()
    return [[round(float(edge), 1) for edge in box] if box and np.isfinite(box).all() else [] for box in found]


def judged(catalog: Catalog) -> np.ndarray:
    """[n] bool: masks that can be read, have their image's size and show something besides the background."""
    return np.asarray((texts(catalog, "mask_problem") == "") & (numbers(catalog, "mask_share") > 0))


@dataclass(frozen=True, slots=True)
class Explained:
    """Two witnesses added up: edges of the image, and (where it was measured) the held-out segmenter.

    `growth` [n]: logarithm of how many times as strong the edges are at another distance from the outline, plus WEIGHT times
    the IoU that is gained there; positive where the mask would have to grow, negative where it would have to shrink. `level`
    [n]: that distance in pixels. `displacement` [n]: the same of moving the mask, less what growing or shrinking
    gains. `shift` [n, 2]: to where, in pixels. `swapped` [n]: row of the sample whose mask fits, -1 where there is none.
    """

    growth: np.ndarray
    level: np.ndarray
    displacement: np.ndarray
    shift: np.ndarray
    swapped: np.ndarray

    @classmethod
    def of(cls, catalog: Catalog) -> Explained:
        """Raises MissingSignal where the masks were not measured; without a segmenter the edges speak alone."""
        edge, moved = (_log(numbers(catalog, f"mask_{name}_gain")) for name in ("edge", "shift"))
        offset = np.nan_to_num(numbers(catalog, "mask_edge_offset"))
        seen_offset, seen_gain = _seen(catalog, "segment_offset"), _seen(catalog, "segment_offset_gain")
        seen_moved = np.maximum(_seen(catalog, "segment_shift_gain"), 0)
        gain = np.maximum(seen_gain, 0) * WEIGHT
        growth = np.sign(offset) * edge + np.sign(seen_offset) * gain
        by_edges = edge >= gain
        shift = _shift(catalog, WEIGHT * seen_moved > moved)
        return cls(
            growth=growth,
            level=np.where(by_edges, offset, seen_offset),
            displacement=moved - edge + WEIGHT * seen_moved - gain,
            shift=shift,
            swapped=swapped_with(catalog),
        )

    @property
    def displaced(self) -> np.ndarray:
        """[n] bool: moving the mask explains more than growing or shrinking it."""
        return np.asarray((self.displacement >= DISPLACED) & (np.abs(self.shift).max(axis=1) >= 2) & (self.swapped < 0))


def _shift(catalog: Catalog, by_segmenter: np.ndarray) -> np.ndarray:
    pairs = [(numbers(catalog, f"mask_shift_{axis}"), _seen(catalog, f"segment_shift_{axis}")) for axis in "xy"]
    return np.stack([np.where(by_segmenter, seen, np.nan_to_num(edge)) for edge, seen in pairs], axis=1)


def _log(gain: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.clip(np.nan_to_num(gain, nan=1.0), 1.0, 1e3)))


def _seen(catalog: Catalog, name: str) -> np.ndarray:
    """A column of the segmenter, 0 where it says nothing."""
    return np.nan_to_num(numbers(catalog, name)) if catalog.has(name) else np.zeros(len(catalog))


def swapped_with(catalog: Catalog) -> np.ndarray:
    """Row of the sample whose mask fits this image far better than its own, [n] int64; -1 where there is none.

    Both masks must fit the other image, or one of them almost perfectly: a mask like another one is common, a fit is not.
    """
    result = np.full(len(catalog), -1, dtype=np.int64)
    if not catalog.has("segment_other"):
        return result
    place = {identity: row for row, identity in enumerate(catalog.ids)}
    other = np.asarray([place.get(identity, -1) for identity in texts(catalog, "segment_other")], dtype=np.int64)
    match, own = (np.nan_to_num(numbers(catalog, f"segment_{name}_match")) for name in ("other", "own"))
    drawn = np.nan_to_num(numbers(catalog, "mask_share")) > 0
    ahead = (other >= 0) & drawn & (match >= ALIKE) & (match - own >= AHEAD)
    rows = np.arange(len(catalog))
    mutual = ahead & ahead[other] & (other[other] == rows)
    # Taken from an image that keeps it, or that has lost its own: only a fit that is nearly perfect counts.
    alone = ahead & (match >= CERTAIN) & (own < CERTAIN / 2)
    found = mutual | alone
    result[found] = other[found]
    return result


def masks_finding(
    rule: str,
    catalog: Catalog,
    rows: Sequence[int] | np.ndarray,
    *,
    message: str,
    evidence: Mapping[str, Any],
    each: Sequence[Mapping[str, Any]] = (),
) -> list[Finding]:
    """One warning about the masks of these rows, worst first; `each` says of every one what was seen."""
    ids = catalog.ids
    samples = tuple(ids[int(row)] for row in rows)
    listed = [{"sample": sample, "key": "", **what} for sample, what in zip(samples, each, strict=bool(each))]
    objects = {"objects": listed[:MOST_LISTED]} if listed else {}
    return [Finding(rule=rule, severity="warn", message=message, evidence={**evidence, **objects}, samples=samples)]
