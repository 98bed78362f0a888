"""What the rules on drawn objects share: measured values by object, sizes of the images, and the finding that lists objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snellen.annotations import Objects, read_per_object
from snellen.catalog import Catalog, MissingSignal
from snellen.values import Finding, Severity

LISTED = 200
# The median of absolute deviations times this is the standard deviation of normal values.
NORMAL = 1.4826


def sides(catalog: Catalog) -> np.ndarray:
    """Width and height of every image [n, 2] in pixels, NaN where it could not be read; raises MissingSignal without them."""
    found = []
    for name in ("width", "height"):
        if not catalog.has(name):
            raise MissingSignal(name)
        found.append([np.nan if side is None else float(side) for side in catalog.table.column(name).to_pylist()])
    return np.asarray(found, dtype=np.float64).T.reshape(-1, 2)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the out-of-fold detector said of every object [m] (see `measure_objects`): numbers are NaN where it said nothing."""

    objects: Objects
    score: np.ndarray
    foreground: np.ndarray
    match: np.ndarray
    match_score: np.ndarray
    better: np.ndarray
    frame: np.ndarray
    frame_match: np.ndarray

    @classmethod
    def of(cls, catalog: Catalog) -> Seen:
        """Raises MissingSignal where the objects were not measured."""
        names = ("score", "foreground", "match", "match_score", "frame_match")
        values = {name: measured(catalog, f"object_{name}") for name in names}
        return cls(Objects.of(catalog), better=_boxes(catalog, "better"), frame=_boxes(catalog, "frame"), **values)

    @property
    def resized(self) -> np.ndarray:
        """[m] by how much the box would change if it were drawn as the detector would move it, 0..1; NaN where it says nothing."""
        return np.asarray(1 - self.frame_match)

    @property
    def misplaced(self) -> np.ndarray:
        """[m] how sure it is that the object's frame is elsewhere, 0..1: another frame is sure and overlaps little with the drawn
        one, the drawn one is not sure, and would be moved far by itself. NaN where there is no other frame."""
        doubt = self.match_score * (1 - self.match) * (1 - self.score) * (1 - self.frame_match)
        return np.asarray(np.where(self.match > 0, doubt, np.nan))


def _boxes(catalog: Catalog, name: str) -> np.ndarray:
    found = read_per_object(catalog, f"object_{name}").tolist()
    return np.asarray([[np.nan] * 4 if box is None else box for box in found], dtype=np.float64).reshape(-1, 4)


def measured(catalog: Catalog, name: str) -> np.ndarray:
    """A number for every object [m], NaN where there is none; raises MissingSignal where it was not measured."""
    found = read_per_object(catalog, name)
    return np.asarray([np.nan if value is None else value for value in found.tolist()], dtype=np.float64)


def rounded(box: Sequence[float] | np.ndarray) -> list[float]:
    """A box to tenths of a pixel, for the evidence."""
    return [round(float(edge), 1) for edge in box]


def objects_finding(
    rule: str,
    catalog: Catalog,
    objects: Objects,
    places: np.ndarray,
    *,
    message: str,
    evidence: Mapping[str, Any],
    each: Sequence[Mapping[str, Any]],
    severity: Severity = "warn",
) -> list[Finding]:
    """One finding about the objects at these places, worst first; `each` says of every one what was seen."""
    ids = catalog.ids
    listed = [
        {"sample": ids[int(objects.row[place])], "key": str(objects.key[place]), **what}
        for place, what in zip(places.tolist(), each, strict=True)
    ]
    samples = tuple(dict.fromkeys(item["sample"] for item in listed))
    told = {**evidence, "objects": listed[:LISTED]}
    return [Finding(rule=rule, severity=severity, message=message, evidence=told, samples=samples)]
