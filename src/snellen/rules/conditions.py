"""Capture conditions: does a group of samples concentrate in one source, lighting, sharpness or look?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import fisher_exact, mannwhitneyu

from snellen.catalog import Catalog
from snellen.rules.curves import holm

STATISTICS = ("brightness", "contrast", "saturation", "sharpness")


@dataclass(frozen=True, slots=True)
class Look:
    """One comparison: `condition` is a column, `direction` low or high for a measurement, else the column's value.

    `inside` marks the samples of the group that are in the condition, [n group] bool; `here` and `there` are the
    medians (measurement) or shares (value) of the group and of the others; `p` is two-sided, `corrected` after Holm.
    """

    condition: str
    direction: str
    p: float
    here: float
    there: float
    inside: np.ndarray
    corrected: float = 1.0

    def told(self, whom: str) -> str:
        """The condition in words, beside the others, who are called `whom`."""
        if self.direction in ("low", "high") and self.condition in STATISTICS:
            return f"{self.direction} {self.condition} (median {self.here:.3g} against {self.there:.3g} of {whom})"
        return f"{self.condition} = {self.direction!r} ({self.here:.0%} of them against {self.there:.0%} of {whom})"


def looks(group: Catalog, others: Catalog) -> list[Look]:
    """Compare a group with the others in every condition that was recorded or measured, most surprising first.

    Metadata (`meta_…`, source, annotator) and embedding clusters by Fisher's exact test of each value, image statistics
    by Mann and Whitney's rank test; Holm's correction over all of them.
    """
    found = [*_values(group, others), *_measured(group, others)]
    corrected = holm([look.p for look in found])
    named = [
        Look(look.condition, look.direction, look.p, look.here, look.there, look.inside, p)
        for look, p in zip(found, corrected, strict=True)
    ]
    return sorted(named, key=lambda look: look.p)


def _values(group: Catalog, others: Catalog) -> Iterator[Look]:
    names = [name for name in group.table.column_names if name.startswith("meta_")]
    for name in (*names, "source", "annotator", "cluster"):
        if not group.has(name):
            continue
        mine, theirs = group.column(name).astype(str), others.column(name).astype(str)
        values, counts = np.unique(mine, return_counts=True)
        # A column with nearly a value for each sample (a file name, a time) holds no condition.
        if len({*values, *theirs}) > max(2, (len(mine) + len(theirs)) // 3):
            continue
        for value, count in zip(values, counts, strict=True):
            if count < 3 or value in ("", "nan", "None") or (count == len(mine) and (theirs == value).all()):
                continue
            other = int((theirs == value).sum())
            # One-sided, because only a surplus in the group is a concentration; doubled to stand beside the others.
            p = fisher_exact([[count, len(mine) - count], [other, len(theirs) - other]], alternative="greater")[1]
            yield Look(name, str(value), min(1.0, 2 * float(p)), count / len(mine), other / len(theirs), mine == value)


def _measured(group: Catalog, others: Catalog) -> Iterator[Look]:
    for name in STATISTICS:
        if not group.has(name):
            continue
        mine, theirs = group.column(name).astype(float), others.column(name).astype(float)
        known, base = mine[np.isfinite(mine)], theirs[np.isfinite(theirs)]
        if len(known) < 3 or len(base) < 3 or len({*known, *base}) < 2:
            continue
        p = float(mannwhitneyu(known, base, alternative="two-sided").pvalue)
        here, there = float(np.median(known)), float(np.median(base))
        low = here < there
        yield Look(name, "low" if low else "high", p, here, there, mine < there if low else mine > there)
