"""What it does
Compares the colour balance of every source and every split with the rest of the catalog, class by class: red less blue, as the
mean over an image. It warns where most images of the group (`share`) come nearer to their class in the rest when
their red and blue are exchanged.

Why it matters
Programs that write images with OpenCV and read them with another library exchange red and blue. The pixels look valid, and a
model learns two worlds.

Known problems
One group is compared with others: where every image is exchanged, nothing is found. Light of another colour (tungsten
against daylight) may exchange warm and cold too. Classes without a typical colour say nothing.

Source
SPEC D4.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding

# So many images are needed on either side of a comparison within a class, and of the group in all.
EACH, LEAST = 5, 20
# A class whose red and blue differ by less than this on average says nothing.
TINT = 0.02

FIRES = (
    {
        "catalog": {
            "red": [0.6, 0.55] * 15 + [0.3, 0.35] * 15,
            "blue": [0.3, 0.35] * 15 + [0.6, 0.55] * 15,
            "source": ["a"] * 30 + ["b"] * 30,
        }
    },
    {
        "catalog": {
            "red": [0.6, 0.2] * 15 + [0.3, 0.5] * 15,
            "blue": [0.3, 0.5] * 15 + [0.6, 0.2] * 15,
            "split": ["train"] * 30 + ["val"] * 30,
            "target": ["warm", "cold"] * 30,
        }
    },
)
SILENT = (
    {"catalog": {"red": [0.6] * 60, "blue": [0.3] * 60, "source": ["a"] * 30 + ["b"] * 30}},
    # No tint to go by, and too few to say.
    {"catalog": {"red": [0.5, 0.51] * 30, "blue": [0.51, 0.5] * 30, "source": ["a"] * 30 + ["b"] * 30}},
    {"catalog": {"red": [0.6] * 30 + [0.3] * 5, "blue": [0.3] * 30 + [0.6] * 5, "source": ["a"] * 30 + ["b"] * 5}},
    # Another class, another colour.
    {
        "catalog": {
            "red": [0.6] * 30 + [0.3] * 30,
            "blue": [0.3] * 30 + [0.6] * 30,
            "source": ["a"] * 30 + ["b"] * 30,
            "target": ["warm"] * 30 + ["cold"] * 30,
        }
    },
)


def channel_order(catalog: Catalog, *, share: float = 0.8) -> list[Finding]:
    """One finding for each source or split; the samples are the group's."""
    usable = catalog.usable()
    balance = usable.column("red").astype(np.float64) - usable.column("blue").astype(np.float64)
    target = usable.column("target").astype(str)
    found = []
    for kind, name, inside in _groups(usable):
        nearer = _nearer_when_exchanged(balance, target, inside)
        if len(nearer) < LEAST or nearer.mean() < share:
            continue
        here, there = float(np.median(balance[inside])), float(np.median(balance[~inside]))
        message = (
            f"Red and blue seem to be exchanged in the {kind} {name}: {nearer.mean():.0%} of {len(nearer)} images come nearer to "
            f"their class elsewhere the other way round (red less blue is {here:+.2f} here, {there:+.2f} elsewhere)."
        )
        evidence = {
            "kind": kind, "group": name, "count": len(nearer), "share": float(nearer.mean()), "here": here, "there": there,
            "limit": share,
        }  # fmt: skip
        samples = usable.where(inside).ids
        found.append(
            Finding(rule="channel_order", severity="warn", message=message, evidence=evidence, samples=samples)
        )
    return found


def _groups(usable: Catalog) -> Iterator[tuple[str, str, np.ndarray]]:
    """Sources and splits that are less than half of all: of two sides the smaller is the odd one (the first, if equal)."""
    for kind in ("source", "split"):
        values = usable.column(kind).astype(str)
        names, counts = np.unique(values, return_counts=True)
        half = len(names) == 2 and counts[0] == counts[1]
        for name, count in zip(names.tolist(), counts.tolist(), strict=True):
            if len(names) > 1 and (2 * count < len(values) or (half and name == names[1])):
                yield kind, name, values == name


def _nearer_when_exchanged(balance: np.ndarray, target: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """For the images of the group whose class has a tint elsewhere: whether exchanging brings them nearer to it."""
    found = []
    for name in np.unique(target[inside]):
        mine, theirs = balance[inside & (target == name)], balance[~inside & (target == name)]
        if min(len(mine), len(theirs)) < EACH:
            continue
        middle = np.median(theirs)
        if abs(middle) >= TINT:
            found.append(np.abs(-mine - middle) < np.abs(mine - middle))
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)
