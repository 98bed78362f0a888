"""What it does
Measures how far the embeddings of each class lie from their middle, and lists the classes whose spread is far above that of
the others (distance from the median of all classes, in robust standard deviations).

Why it matters
Images of one class that lie far apart say that something other than the class changes between them: light, crop, camera.
Steady preprocessing (lighting normalisation, alignment of the region of interest) is cheaper than images of every condition.

Known problems
A class that is a mixed bag by its meaning ("other") is listed as well. With fewer than five classes there is no telling what
is usual.

Source
SPEC D6. Robust z score: Iglewicz & Hoaglin 1993, How to Detect and Handle Outliers, limit 3.5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding

TASKS = ("classification",)
# A class of fewer images has no spread to speak of; with fewer classes there is no usual one.
LEAST, CLASSES = 8, 5


def scattered_class(catalog: Catalog, *, limit: float = 3.5, ratio: float = 1.2) -> list[Finding]:
    """Find training classes whose spread lies `limit` robust deviations and `ratio` times above the median class."""
    train = catalog.usable().of("train")
    spreads, far = _spreads(train)
    if len(spreads) < CLASSES:
        return []
    values = np.asarray(list(spreads.values()))
    median = float(np.median(values))
    # The floor keeps classes that are all alike from making a hair's breadth a deviation.
    deviation = max(1.4826 * float(np.median(np.abs(values - median))), 0.03 * median, 1e-9)
    wide = {k: v for k, v in spreads.items() if v - median > limit * deviation and v > ratio * median}
    if not wide:
        return []
    names = sorted(wide, key=lambda name: -wide[name])
    words = ", ".join(f"{name!r} {wide[name] / median:.2f} times" for name in names)
    message = (
        f"The images of {len(names)} of {len(spreads)} classes are scattered abnormally wide in the embedding (the median class is "
        f"1): {words}. Check lighting normalisation and the alignment of the region of interest for them."
    )
    evidence = {
        "count": len(names), "classes": len(spreads), "median": median, "limit": limit, "widest": names[0], "times": wide[names[0]] / median,
        "named": words, "spreads": spreads,
    }  # fmt: skip
    samples = tuple(sample for name in names for sample in far[name])
    return [Finding(rule="scattered_class", severity="info", message=message, evidence=evidence, samples=samples[:200])]


def _spreads(train: Catalog) -> tuple[dict[str, float], dict[str, list[str]]]:
    """Median distance of the unit embeddings to their class's middle, and each class's samples, farthest first."""
    targets, embedding = train.column("target").astype(str), train.column("embedding")
    ids, spreads, far = train.ids, {}, {}
    for name in sorted({*targets.tolist()} - {""}):
        rows = np.flatnonzero(targets == name)
        if len(rows) >= LEAST:
            points = embedding[rows].astype(np.float32)
            points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-6)
            away = _away(points)
            spreads[name] = float(np.median(away))
            far[name] = [ids[i] for i in rows[np.argsort(-away, kind="stable")[:20]]]
    return spreads, far


def _away(points: np.ndarray) -> np.ndarray:
    """Distances [n] to the middle of the nearer three quarters: some strangers (wrong labels) must not move it."""
    first = np.linalg.norm(points - points.mean(axis=0), axis=1)
    near = points[first <= np.quantile(first, 0.75)]
    return np.asarray(np.linalg.norm(points - near.mean(axis=0), axis=1))


def _catalog(last: float, classes: int = 6) -> dict[str, object]:
    # Points on a fan around a direction of the class's own; `last` is how wide the last class's fan is.
    points, targets = [], []
    for number in range(classes):
        wide = last if number == classes - 1 else 0.1 + 0.01 * (number % 3)
        for i in range(12):
            angle = wide * (i - 5.5) / 5.5
            points.append([float(np.cos(angle + number)), float(np.sin(angle + number)), 0.2 * number])
            targets.append(f"class {number}")
    return {"catalog": {"target": targets, "embedding": points}}


FIRES = (_catalog(1.0), _catalog(0.6, classes=9))
SILENT = (_catalog(0.1), _catalog(1.0, classes=4))
