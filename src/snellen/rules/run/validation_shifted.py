"""What it does
Compares the brightness, contrast, saturation and sharpness of the validation images with those of the training images of
the same class (Kolmogorov and Smirnov's test, Holm's correction). A shift must be both certain (p below 0.001) and large (a quarter of
the images would have to change sides).

Why it matters
A gap between training and validation is then not over-fitting: the model is asked about images that it was never shown.
Regularisation does not close it; images of the missing kind, or augmentation towards it, do.

Known problems
Only what four numbers of an image tell is compared. Where validation was chosen to be another source, the shift is the
question and not a fault. With fewer than 30 images on a side nothing is said.

Source
SPEC S5; S. Rabanser, S. Günnemann, Z. Lipton, arXiv:1810.11953 (univariate tests with correction detect shift well).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from snellen.catalog import Catalog
from snellen.rules.conditions import STATISTICS
from snellen.rules.curves import holm
from snellen.run import Run
from snellen.values import Finding


def validation_shifted(run: Run, *, chance: float = 1e-3, distance: float = 0.25, least: int = 30) -> list[Finding]:
    """Find the image statistic that moved most between training and validation.

    `chance`: probability of a false finding over all statistics; `distance`: largest difference of the two
    distribution functions; `least`: fewest images on each side.
    """
    catalog = run.catalog.usable()
    train, val = catalog.of("train"), catalog.of("val")
    names = [name for name in STATISTICS if catalog.has(name)]
    if not names:
        catalog.column(STATISTICS[0])
    pairs = {name: _beyond_class(train, val, name) for name in names}
    tests = {name: ks_2samp(*sides) for name, sides in pairs.items() if min(map(len, sides)) >= least}
    corrected = dict(zip(tests, holm([float(test.pvalue) for test in tests.values()]), strict=True))
    moved = [name for name, test in tests.items() if corrected[name] < chance and test.statistic > distance]
    if not moved:
        return []
    name = max(moved, key=lambda item: float(tests[item].statistic))
    sides = tuple(_known(side, name)[0] for side in (train, val))
    middles = tuple(float(np.median(side)) for side in pairs[name])
    return [_finding(name, sides, middles, float(tests[name].statistic), corrected[name], distance, moved)]


def _known(catalog: Catalog, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Values and classes of the images whose value is known."""
    values = catalog.column(name).astype(float)
    known = np.isfinite(values)
    return values[known], catalog.column("target").astype(str)[known]


def _beyond_class(train: Catalog, val: Catalog, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation values less the median of their class in training: other shares of classes are no shift."""
    values, classes = _known(train, name)
    usual = {item: float(np.median(values[classes == item])) for item in np.unique(classes)}
    others, of = _known(val, name)
    shared = np.asarray([item in usual for item in of], dtype=bool)
    middle = np.asarray([usual[item] for item in of[shared]])
    return values - np.asarray([usual[item] for item in classes]), others[shared] - middle


def _finding(
    name: str,
    sides: tuple[np.ndarray, ...],
    middles: tuple[float, ...],
    far: float,
    p: float,
    limit: float,
    moved: list[str],
) -> Finding:
    """`sides` as they are, `middles` less the medians of the classes, by which the direction is told: as the test is."""
    train, val = (float(np.median(side)) for side in sides)
    direction = "lower" if middles[1] < middles[0] else "higher" if middles[1] > middles[0] else "differently spread"
    message = (
        f"Validation images are of another kind than training images: {name} is {direction} (median {val:.3g} against "
        f"{train:.3g}; distance {far:.2f}, limit {limit:g}; p = {p:.1g}, {len(sides[1])} and {len(sides[0])} images)."
    )
    evidence = {
        "condition": name,
        "direction": direction,
        "val": val,
        "train": train,
        "distance": far,
        "limit": limit,
        "excess": far / limit,
        "p": p,
        "n_val": len(sides[1]),
        "n_train": len(sides[0]),
        "moved": moved,
    }
    return Finding(rule="validation_shifted", severity="warn", message=message, evidence=evidence)


def _other_shares() -> dict[str, Any]:
    """Dark cats and light dogs: as many dogs in training as cats in validation."""
    targets = ["cat"] * 40 + ["dog"] * 160 + ["cat"] * 50 + ["dog"] * 10
    scatter = [0.8 + 0.4 * ((7 * i) % 11) / 10 for i in range(len(targets))]
    light = [(0.2 if name == "cat" else 0.7) * s for name, s in zip(targets, scatter, strict=True)]
    return {"catalog": {"target": targets, "split": ["train"] * 200 + ["val"] * 60, "brightness": light}}


def _case(train: int, val: int, shift: float = 1.0, name: str = "brightness") -> dict[str, Any]:
    n = train + val
    # A fixed scatter of ±20 % that goes with nothing.
    values = {key: [middle * (0.8 + 0.4 * ((7 * i) % 11) / 10) for i in range(n)] for key, middle in _MIDDLE.items()}
    values[name] = [value * (shift if i >= train else 1.0) for i, value in enumerate(values[name])]
    return {"catalog": {"target": ["a", "b"] * (n // 2), "split": ["train"] * train + ["val"] * val, **values}}


_MIDDLE = {"brightness": 0.5, "contrast": 0.2, "saturation": 0.4, "sharpness": 0.01}
FIRES = (_case(200, 60, 0.6), _case(100, 40, 0.1, "sharpness"), _case(400, 100, 1.5, "saturation"))
SILENT = (
    _case(200, 60),
    # A little darker, as another draw may be.
    _case(200, 60, 0.97),
    _other_shares(),
    # Certain enough only with more images.
    _case(60, 20, 0.6),
)
