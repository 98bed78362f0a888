"""Annotations: what is drawn on images (boxes, polygons, run lengths, keypoints), as one flat table over a whole catalog.

A catalog of detection, instance segmentation or keypoints has the list column `objects`: for every sample a list of OBJECT.
A catalog of semantic segmentation has the column `mask` (path relative to the root, empty where there is none), one of
restoration the column `pair` (path of the image that is wanted), a multi-label one the list column `labels`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from snellen.catalog import Catalog, MissingSignal

# One drawn object. Coordinates are pixels of the image as it is shown (EXIF rotation applied), the origin at the upper left
# corner of the first pixel; a box is x0, y0, x1, y1.
OBJECT = pa.struct(
    [
        ("key", pa.string()),  # Name in the user's file ("284", or file and line), for messages and for export.
        ("label", pa.string()),
        ("box", pa.list_(pa.float64(), 4)),  # NaN where no box was given and none follows from the outline.
        ("polygons", pa.list_(pa.list_(pa.float64()))),  # Each x, y, x, y, …
        ("rle", pa.string()),  # COCO's compressed run lengths as "height width counts"; empty where there is none.
        ("keypoints", pa.list_(pa.float64())),  # x, y, v for every name of the catalog's keypoints; v 0, 1 or 2.
        ("crowd", pa.bool_()),
        ("problem", pa.string()),  # What reading found: empty, or a short reason why the object cannot be used.
    ]
)


@dataclass(frozen=True, slots=True)
class Objects:
    """All objects of a catalog as columns: `row` [m] is the catalog's row, `box` [m, 4] pixels; ordered by row."""

    row: np.ndarray
    key: np.ndarray
    label: np.ndarray
    box: np.ndarray
    crowd: np.ndarray
    problem: np.ndarray
    table: pa.StructArray

    @classmethod
    def of(cls, catalog: Catalog) -> Objects:
        """Flatten the column `objects`; raises MissingSignal where the catalog has none. No cost beyond the objects' number."""
        if not catalog.has("objects"):
            raise MissingSignal("objects")
        column = catalog.table.column("objects").combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        counts = np.asarray(column.value_lengths().fill_null(0), dtype=np.int64)
        flat = column.flatten()
        box = flat.field("box")
        return cls(
            row=np.repeat(np.arange(len(catalog)), counts),
            key=_text(flat, "key"),
            label=_text(flat, "label"),
            box=np.asarray(box.flatten(), dtype=np.float64).reshape(-1, 4),
            crowd=np.asarray(flat.field("crowd").to_numpy(zero_copy_only=False), dtype=bool),
            problem=_text(flat, "problem"),
            table=flat,
        )

    def __len__(self) -> int:
        return len(self.row)

    @property
    def usable(self) -> np.ndarray:
        """[m] bool: objects without a problem that have a finite box and are no crowd."""
        return np.asarray((self.problem == "") & np.isfinite(self.box).all(axis=1) & ~self.crowd)

    def where(self, mask: np.ndarray) -> Objects:
        """The objects whose mask is true, in order."""
        keep = np.asarray(mask, dtype=bool)
        columns = {name: getattr(self, name)[keep] for name in ("row", "key", "label", "box", "crowd", "problem")}
        return replace(self, **columns, table=self.table.filter(pa.array(keep)))

    def keypoints(self) -> list[np.ndarray]:
        """[k, 3] x, y, visibility of every object (k may be 0)."""
        return [
            np.asarray(item or [], dtype=np.float64).reshape(-1, 3)
            for item in self.table.field("keypoints").to_pylist()
        ]

    def polygons(self) -> list[list[np.ndarray]]:
        """Outlines [p, 2] of every object."""
        found = self.table.field("polygons").to_pylist()
        return [[np.asarray(line, dtype=np.float64).reshape(-1, 2) for line in item or []] for item in found]


def objects_column(objects: Sequence[Sequence[Mapping[str, Any]]]) -> pa.Array:
    """The column `objects` from dicts, one list for every sample; what a dict lacks is empty (box: NaN)."""
    blank = {
        "key": "",
        "label": "",
        "box": [float("nan")] * 4,
        "polygons": [],
        "rle": "",
        "keypoints": [],
        "crowd": False,
        "problem": "",
    }
    return pa.array([[{**blank, **item} for item in items] for items in objects], type=pa.list_(OBJECT))


def per_object(catalog: Catalog, values: np.ndarray) -> pa.Array:
    """A list column beside `objects`: one number or text for every object, in their order ([m])."""
    column = catalog.table.column("objects").combine_chunks()
    column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    offsets = np.concatenate([[0], np.cumsum(np.asarray(column.value_lengths().fill_null(0), dtype=np.int64))])
    return pa.ListArray.from_arrays(pa.array(offsets, type=pa.int32()), pa.array(values))


def read_per_object(catalog: Catalog, name: str) -> np.ndarray:
    """Values [m] of such a column; raises MissingSignal where it was not measured."""
    if not catalog.has(name):
        raise MissingSignal(name)
    return np.asarray(catalog.table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False))


def _text(flat: pa.StructArray, name: str) -> np.ndarray:
    return (
        np.asarray(flat.field(name).to_pylist(), dtype=object).astype(str) if len(flat) else np.asarray([], dtype=str)
    )
