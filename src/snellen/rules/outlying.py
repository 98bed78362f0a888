"""Odd ones out: images that show a trait which is rare where they come from, and that stand apart from the whole catalog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding, Severity

# Where more of a catalog, a source or a class share the trait than this, it is what these images are like.
COMMON = 0.2
# Below so many samples the share of a source or class says nothing.
GROUP = 10
_GROUPS = ("source", "target")


@dataclass(frozen=True, slots=True)
class Odd:
    """The odd ones of a catalog's usable samples, worst first: `catalog` (usable), `rows` in it, `z` robust distances."""

    catalog: Catalog
    rows: np.ndarray
    z: np.ndarray

    @property
    def ids(self) -> tuple[str, ...]:
        """Sample ids, worst first."""
        return self.catalog.take(self.rows).ids

    def __len__(self) -> int:
        return len(self.rows)


def robust_z(values: np.ndarray, *, floor: float) -> np.ndarray:
    """Distance to the median in standard deviations as the median absolute deviation gives them, [n]; NaN where a value is
    not finite. `floor`: the least standard deviation, in units of the values, below which a spread means nothing."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.full(len(values), np.nan)
    middle = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - middle)))
    return np.asarray((values - middle) / max(spread, floor))


def odd_ones(usable: Catalog, trait: np.ndarray, distance: np.ndarray, *, least: float, common: float = COMMON) -> Odd:
    """The samples with the trait [n] bool whose distance [n] (robust z, larger is worse) is at least `least`, where the trait
    is rare: no more than the share `common` of the whole catalog and of the sample's own source and class have it."""
    shown = np.asarray(trait, dtype=bool) & (np.nan_to_num(distance, nan=-np.inf) >= least)
    rare = shown & ~_common(usable, np.asarray(trait, dtype=bool), common)
    rows = np.flatnonzero(rare)
    rows = rows[np.argsort(-distance[rows], kind="stable")]
    return Odd(usable, rows, distance[rows])


def finding(
    rule: str, odd: Odd, message: str, evidence: Mapping[str, Any], *, severity: Severity = "warn"
) -> list[Finding]:
    """One finding with all odd ones, none where there are none; count, total, classes and distances are added."""
    if not len(odd):
        return []
    total = len(odd.catalog)
    facts = {
        "count": len(odd), "total": total, "classes": odd.catalog.take(odd.rows).counts(), **evidence,
        "z": [round(float(value), 2) for value in odd.z[:200]],
    }  # fmt: skip
    return [Finding(rule=rule, severity=severity, message=message, evidence=facts, samples=odd.ids)]


def _common(usable: Catalog, trait: np.ndarray, most: float) -> np.ndarray:
    """Whether the trait is common in the whole, or in the sample's source or class, [n] bool."""
    count = len(trait)
    # One in a handful is no custom yet; most of them are.
    common = np.full(count, count > 0 and trait.mean() > (most if count >= GROUP else 0.5))
    for name in _GROUPS:
        _, group, sizes = np.unique(usable.column(name).astype(str), return_inverse=True, return_counts=True)
        share = np.bincount(group, weights=trait, minlength=len(sizes)) / np.maximum(sizes, 1)
        common |= ((share > most) & (sizes >= GROUP))[group]
    return np.asarray(common)
