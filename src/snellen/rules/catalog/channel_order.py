"""What it does
Compares the colour balance of every source and every split with the rest of the catalog, class by class: red less blue, as the
mean over an image. It warns where most images of the group (`share`) come nearer to their class in the rest when
their red and blue are exchanged; and where the mean tints of its classes are the opposite of those in the rest, by odds of ten to
`power` against any cast of light and any fading of colours, and by no more than chance away from it.

Why it matters
Programs that write images with OpenCV and read them with another library exchange red and blue. The pixels look valid, and a
model learns two worlds.

Known problems
One group is compared with others: where every image is exchanged, nothing is found. Light of another colour (tungsten
against daylight) may exchange warm and cold of a single class too. Classes without a typical colour say nothing.

Source
SPEC D4. Odds as a ratio of likelihoods, and what they say: R. Royall 1997, Statistical Evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.tints import Tints
from snellen.values import Finding

# So many images are needed on either side of a comparison within a class, and of the group in all.
EACH, LEAST = 5, 20
# A class whose red and blue differ by less than this on average says nothing.
TINT = 0.02
SAID = {
    "images": "{share:.0%} of {count} images come nearer to their class elsewhere the other way round",
    "classes": "the mean tints of {classes} classes ({images} images) are the opposite of those elsewhere, by odds of 10^{power:.0f} "
    "against another light",
}


def _scattered(sign: float, cast: float = 0.0) -> dict[str, Any]:
    """Four classes whose tints are paler than their images differ by: 40 training and 20 validation images of each, those turned over
    by a `sign` of -1 and seen in a light of another `cast`."""
    tints = {"moss": 0.1, "sea": -0.1, "sand": 0.06, "sky": -0.06}
    rows = [(name, split, i) for name in tints for split, n in (("train", 40), ("val", 20)) for i in range(n)]
    own = [tints[name] + 0.03 * ((7 * i) % 11 - 5) for name, _, i in rows]
    seen = [sign * x + cast if split == "val" else x for x, (_, split, _) in zip(own, rows, strict=True)]
    red, blue = [0.5 + x / 2 for x in seen], [0.5 - x / 2 for x in seen]
    return {
        "catalog": {"red": red, "blue": blue, "split": [row[1] for row in rows], "target": [row[0] for row in rows]},
    }


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
    # Three of ten images have the tint of another class; the classes together have not.
    _scattered(-1.0),
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
    _scattered(1.0),
    # Colder light.
    _scattered(1.0, cast=-0.12),
)


def channel_order(catalog: Catalog, *, share: float = 0.8, power: float = 4.0, chance: float = 1e-3) -> list[Finding]:
    """One finding for each source or split; the samples are the group's.

    `share`: of its images that come nearer to their class when exchanged. Else `power`: of ten, the odds for mean tints that are turned
    over; and `chance`: probability below which they are then still too far away.
    """
    usable = catalog.usable()
    balance = usable.column("red").astype(np.float64) - usable.column("blue").astype(np.float64)
    members = _members(usable.column("target").astype(str))
    found = []
    for kind, name, inside in _groups(usable):
        nearer = _nearer_when_exchanged(balance, members, inside)
        if len(nearer) < LEAST:
            continue
        tints = Tints.of(balance, members, inside, each=EACH)
        sign = "images" if nearer.mean() >= share else "classes"
        if sign == "classes" and (tints.power < power or tints.fit < chance):
            continue
        evidence: dict[str, Any] = {
            "sign": sign, "kind": kind, "group": name, "count": len(nearer), "share": float(nearer.mean()), "limit": share,
            "here": float(np.median(balance[inside])), "there": float(np.median(balance[~inside])),
            "classes": len(tints.here), "images": tints.images, "power": tints.power, "fit": tints.fit,
        }  # fmt: skip
        message = (
            f"Red and blue seem to be exchanged in the {kind} {name}: {SAID[sign].format(**evidence)} (red less blue is "
            f"{evidence['here']:+.2f} here, {evidence['there']:+.2f} elsewhere)."
        )
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


def _members(target: np.ndarray) -> list[np.ndarray]:
    """Places of the images of each class, so that looking at all classes is one pass over the images, however many classes."""
    _, codes, counts = np.unique(target, return_inverse=True, return_counts=True)
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])


def _nearer_when_exchanged(balance: np.ndarray, members: list[np.ndarray], inside: np.ndarray) -> np.ndarray:
    """For the images of the group whose class has a tint elsewhere: whether exchanging brings them nearer to it."""
    found = []
    for places in members:
        mine, theirs = balance[places[inside[places]]], balance[places[~inside[places]]]
        if min(len(mine), len(theirs)) < EACH:
            continue
        middle = np.median(theirs)
        if abs(middle) >= TINT:
            found.append(np.abs(-mine - middle) < np.abs(mine - middle))
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)
