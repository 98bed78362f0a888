"""Rows of an earlier store: what was decoded by the same rules before is copied, not decoded again."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from snellen.catalog import OK
from snellen.data.bounded import Hold, hold
from snellen.data.decode import Decoded

# Stores that are looked into, the most recently made first: a folder that grows day by day leaves one each day.
MOST = 8


@dataclass(frozen=True, slots=True)
class Earlier:
    """Open stores, and where in them some contents lie: content -> (store, row)."""

    stores: tuple[tuple[np.ndarray, pa.Table, Hold], ...]
    places: dict[str, tuple[int, int]]

    def take(self, content: str) -> Decoded | None:
        """What was decoded of this content; None where it is not there or its pixels are not what they were."""
        if content not in self.places:
            return None
        number, row = self.places[content]
        array, table, _ = self.stores[number]
        measured = table.slice(row, 1).to_pylist()[0]
        verdict, sum_ = measured.pop("verdict"), measured.pop("crc")
        measured["thumb"] = np.asarray(measured["thumb"], dtype=np.uint8)
        if verdict != OK:
            return Decoded(verdict, None, measured)
        pixels = np.array(array[row])
        return Decoded(verdict, pixels, measured) if crc(pixels) == sum_ else None


def crc(pixels: np.ndarray) -> int:
    """Checksum of an image's bytes."""
    return zlib.crc32(np.ascontiguousarray(pixels).data)


def earlier(folders: Iterable[Path], wanted: Iterable[str]) -> Earlier:
    """Look for the wanted contents in stores of the same rules and size; damaged ones are passed over."""
    missing = set(wanted)
    stores: list[tuple[np.ndarray, pa.Table, Hold]] = []
    places: dict[str, tuple[int, int]] = {}
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)[:MOST]:
        held = hold(folder, touch=False)
        rows = {} if held is None else _contents(folder)
        shared = missing & rows.keys()
        found = _read(folder, len(rows)) if shared else None
        if held is None or found is None:
            continue
        places |= {content: (len(stores), rows[content]) for content in shared}
        stores.append((*found, held))
        missing -= shared
    return Earlier(tuple(stores), places)


# What is damaged is passed over here: it is opened by its own catalog one day, and mended then.


def _contents(folder: Path) -> dict[str, int]:
    try:
        table = pq.read_table(folder / "measured.parquet", columns=["content"])
    except (OSError, ValueError, pa.ArrowException):
        return {}
    return {content: row for row, content in enumerate(table.column("content").to_pylist())}


def _read(folder: Path, rows: int) -> tuple[np.ndarray, pa.Table] | None:
    try:
        table = pq.read_table(folder / "measured.parquet", memory_map=True)
        array = np.load(folder / "pixels.npy", mmap_mode="r")
    except (OSError, ValueError, pa.ArrowException):
        return None
    return (array, table.drop_columns(["content"])) if len(array) == rows else None
