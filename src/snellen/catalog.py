"""Catalog: the table of samples. Ids come from content, so that what two runs say of one sample can be paired."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from snellen import store
from snellen.values import SnellenError

# Every catalog has these columns; text, never null. Others hold the user's metadata (`meta_…`) and measurements.
COLUMNS = ("id", "content", "path", "root", "source", "target", "split", "group", "annotator", "verdict")
SPLITS = ("train", "val", "test")
OK = "ok"


class MissingSignal(Exception):
    """A rule asked for a measurement that was not made; the examination turns this into a visible finding."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """An Arrow table with one row per sample.

    `id` is unique; `content` the hash of the file's bytes (equal for exact duplicates); `path` is relative to `root`,
    with forward slashes; `split` is train, val, test or empty; `verdict` is "ok" or the reason why the sample cannot be used.
    """

    table: pa.Table

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.table.column_names]
        if missing:
            raise SnellenError(f"a catalog lacks the columns {', '.join(missing)}")

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Catalog:
        """Build from dicts; columns of COLUMNS that a row lacks are empty text (`verdict`: ok, `content`: the id)."""
        names = [*COLUMNS, *sorted({key for row in rows for key in row} - set(COLUMNS))]
        filled = [{"content": row["id"], "verdict": OK, **row} for row in rows]
        columns = {}
        for name in names:
            blank = "" if name in COLUMNS or name.startswith("meta_") else None
            values = [row.get(name, blank) for row in filled]
            columns[name] = pa.array(values, type=pa.string() if name in COLUMNS or name.startswith("meta_") else None)
        return cls(pa.table(columns))

    @classmethod
    def load(cls, path: Path) -> Catalog:
        """Read a Parquet file written by `save`."""
        return cls(store.read_table(path))

    def save(self, path: Path) -> None:
        """Write as Parquet."""
        store.write_table(path, self.table)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def has(self, name: str) -> bool:
        """Whether the column is there."""
        return name in self.table.column_names

    def column(self, name: str) -> np.ndarray:
        """A column as a NumPy array ([n], or [n, d] for a list column); raises MissingSignal where it was not measured."""
        if not self.has(name):
            raise MissingSignal(name)
        column = self.table.column(name)
        if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
            flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
            return flat.reshape(len(self), -1)
        return np.asarray(column.to_numpy())

    @property
    def task(self) -> str:
        """What the annotations are for: classification, multilabel, detection, instance, keypoints, segmentation, restoration, images."""
        return str(self.about("task") or "classification")

    def about(self, key: str) -> Any:
        """What reading wrote of the whole catalog (task, format, classes, keypoints, notes); None where it wrote nothing."""
        found = (self.table.schema.metadata or {}).get(key.encode())
        return None if found is None else json.loads(found)

    def with_about(self, facts: Mapping[str, Any]) -> Catalog:
        """A copy that says more of itself; values are anything that JSON holds."""
        known = dict(self.table.schema.metadata or {})
        known |= {key.encode(): json.dumps(value, ensure_ascii=False).encode() for key, value in facts.items()}
        return Catalog(self.table.replace_schema_metadata(known))

    @property
    def ids(self) -> tuple[str, ...]:
        """Sample ids in row order."""
        return tuple(self.table.column("id").to_pylist())

    @property
    def classes(self) -> tuple[str, ...]:
        """Target names of the usable training samples, sorted (of all samples where nothing is split yet)."""
        usable = self.usable()
        train = usable.of("train")
        return tuple(sorted({*(train if len(train) else usable).column("target").tolist()} - {""}))

    def where(self, mask: np.ndarray | Sequence[bool]) -> Catalog:
        """The rows whose mask is true, in order."""
        return Catalog(self.table.filter(pa.array(np.asarray(mask, dtype=bool))))

    def take(self, rows: np.ndarray | Sequence[int]) -> Catalog:
        """Rows by position."""
        return Catalog(self.table.take(pa.array(np.asarray(rows, dtype=np.int64))))

    def of(self, *splits: str) -> Catalog:
        """The rows of these splits."""
        return self.where(np.isin(self.column("split").astype(str), splits))

    def usable(self) -> Catalog:
        """The rows whose verdict is ok."""
        return self.where(self.column("verdict").astype(str) == OK)

    def without(self, ids: Iterable[str]) -> Catalog:
        """The rows whose id is none of these."""
        return self.where(~np.isin(np.asarray(self.ids, dtype=str), list(ids))) if len(self) else self

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """Positions of ids, in their order; raises KeyError for an unknown one."""
        index = {sample: row for row, sample in enumerate(self.ids)}
        return np.asarray([index[sample] for sample in ids], dtype=np.int64)

    def with_columns(self, columns: Mapping[str, Any]) -> Catalog:
        """A copy with columns added or replaced; a 2-D array becomes a list column."""
        table = self.table
        for name, values in columns.items():
            array = _array(values)
            place = table.column_names.index(name) if name in table.column_names else None
            table = table.append_column(name, array) if place is None else table.set_column(place, name, array)
        return Catalog(table)

    def drop_columns(self, names: Iterable[str]) -> Catalog:
        """A copy without these columns (those that are there)."""
        return Catalog(self.table.drop_columns([name for name in names if self.has(name)]))

    def paths(self) -> list[Path]:
        """The samples' files."""
        return [
            Path(root) / path
            for root, path in zip(*(self.table.column(c).to_pylist() for c in ("root", "path")), strict=True)
        ]

    def counts(self, by: Callable[[Catalog], np.ndarray] | str = "target") -> dict[str, int]:
        """Number of rows by value of a column, largest first."""
        values = self.column(by) if isinstance(by, str) else by(self)
        names, numbers = np.unique(values.astype(str), return_counts=True)
        order = sorted(zip(names, numbers, strict=True), key=lambda item: (-item[1], item[0]))
        return {str(name): int(number) for name, number in order}


def _array(values: Any) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, np.ndarray) and values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
    return pa.array(values)
