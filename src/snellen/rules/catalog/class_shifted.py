"""What it does
Compares the brightness, contrast, saturation and sharpness of each class's training images with those of its validation images, less
what the usual class differs by (Kolmogorov and Smirnov's test, Holm's correction). A shift must be both certain (p below 0.001) and large
(half of the images would have to change sides).

Why it matters
A class that was photographed with another camera, focus or light for training is learnt by that, and is not known again without it; and
how it was photographed may tell it from the other classes in training, so that its shape is not learnt at all.

Known problems
Only what four numbers of an image tell is compared. Frames of one film in one split and of another in the other are a shift too: that
is true, and more films mend it. With fewer than ten images of a class on a side, or fewer than three classes, nothing is said.

Source
SPEC S3, D4; S. Rabanser, S. Günnemann, Z. Lipton, arXiv:1810.11953 (univariate tests with correction detect shift well).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from snellen.catalog import Catalog
from snellen.rules.conditions import STATISTICS
from snellen.rules.curves import holm
from snellen.values import Finding

TASKS = ("classification",)
# Images of one split, and the places of each class among them.
_Side = tuple[Catalog, Mapping[str, np.ndarray]]


@dataclass(frozen=True, slots=True)
class _Look:
    """One class in one number: medians of both sides, the test's distance and probability, and how many images there are."""

    name: str
    condition: str
    train: float
    val: float
    distance: float
    p: float
    sizes: tuple[int, int]


def class_shifted(catalog: Catalog, *, chance: float = 1e-3, distance: float = 0.5, least: int = 10) -> list[Finding]:
    """One finding for each class, with the number that moved most; its samples are the class's training images.

    `chance`: probability of a false finding over all looks; `distance`: of the two distribution functions; `least`: fewest
    images of a class on each side.
    """
    usable = catalog.usable()
    names = [name for name in STATISTICS if usable.has(name)]
    if not names:
        usable.column(STATISTICS[0])
    sides = [(side, _rows(side)) for side in (usable.of("train"), usable.of("val"))]
    found = [look for name in names for look in _looks(sides, name, least)]
    certain = [one < chance for one in holm([look.p for look in found])]
    moved = [look for look, sure in zip(found, certain, strict=True) if sure and look.distance > distance]
    worst: dict[str, _Look] = {}
    for look in sorted(moved, key=lambda look: -look.distance):
        worst.setdefault(look.name, look)
    train, rows = sides[0]
    return [_finding(look, distance, train.take(rows[name]).ids) for name, look in worst.items()]


def _looks(both: Sequence[_Side], condition: str, least: int) -> Iterator[_Look]:
    """All classes in one number; the shift that is usual among them (another camera for all of validation) is taken off."""
    sides = [_by_class(*side, condition) for side in both]
    shared = [name for name in sides[0] if name and min(len(side.get(name, ())) for side in sides) >= least]
    if len(shared) < 3:
        return
    middles = {name: (float(np.median(sides[0][name])), float(np.median(sides[1][name]))) for name in shared}
    usual = float(np.median([after - before for before, after in middles.values()]))
    for name in shared:
        here, there = (side[name] for side in sides)
        test = ks_2samp(here, there - usual)
        yield _Look(name, condition, *middles[name], float(test.statistic), float(test.pvalue), (len(here), len(there)))


def _rows(catalog: Catalog) -> Mapping[str, np.ndarray]:
    """Places of each class's images: sorted once, whatever the number of classes."""
    names, number = np.unique(catalog.column("target").astype(str), return_inverse=True)
    order = np.argsort(number, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(number, minlength=len(names)))[:-1])
    return {str(name): part for name, part in zip(names, parts, strict=False)}


def _by_class(catalog: Catalog, rows: Mapping[str, np.ndarray], condition: str) -> Mapping[str, np.ndarray]:
    values = catalog.column(condition).astype(float)
    return {name: own[np.isfinite(own)] for name, places in rows.items() for own in (values[places],)}


def _finding(look: _Look, limit: float, samples: tuple[str, ...]) -> Finding:
    # What images of this kind lack in training.
    direction = "high" if look.val > look.train else "low"
    message = (
        f"Class {look.name!r} was taken differently for training than for validation: the median {look.condition} is {look.train:.3g} "
        f"against {look.val:.3g}, beyond what other classes differ by (distance {look.distance:.2f}, limit {limit:g})."
    )
    evidence = {
        "class": look.name, "condition": look.condition, "direction": direction, "train": look.train, "val": look.val,
        "distance": look.distance, "limit": limit, "excess": look.distance / limit, "p": look.p,
        "n_train": look.sizes[0], "n_val": look.sizes[1],
    }  # fmt: skip
    return Finding(rule="class_shifted", severity="warn", message=message, evidence=evidence, samples=samples)


def _case(shifted: float, others: float = 1.0, *, each: int = 20, condition: str = "sharpness") -> dict[str, object]:
    """Classes a to d, `each` images in training and in validation; those of a in training have so many times the condition."""
    rows = [(name, split, place) for name in "abcd" for split in ("train", "val") for place in range(each)]
    # A fixed scatter of ±20 % that goes with nothing.
    usual = [0.8 + 0.4 * ((7 * place) % 11) / 10 for _, _, place in rows]
    values = [
        value * (shifted if (name, split) == ("a", "train") else others if split == "val" else 1.0)
        for (name, split, _), value in zip(rows, usual, strict=True)
    ]
    return {"catalog": {"target": [row[0] for row in rows], "split": [row[1] for row in rows], condition: values}}


FIRES = (_case(0.2), _case(2.0, condition="brightness"), _case(0.2, 0.7))
SILENT = (
    _case(1.0),
    # All of validation is darker: `validation_shifted`.
    _case(1.0, 0.5),
    # As another draw may be.
    _case(0.95),
    _case(0.2, each=8),
)
