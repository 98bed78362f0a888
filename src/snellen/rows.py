"""Rows: what is stored of each sample that a model was asked about. Scores are worked out from rows alone.

Two kinds. `Predictions`: probabilities of classes. `Statistics`: a few numbers of each image, for tasks whose answer is a
whole picture. Both say how large the loss of each sample is, can be taken apart and joined, and know whether two arms
answered the same question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

# A probability of exactly 0 would make one sample's loss infinite and the mean with it.
FLOOR = 1e-7


@dataclass(frozen=True, slots=True)
class Predictions:
    """Stored rows of one split: `ids` [n], `targets` [n] class index, `probabilities` [n, k], `classes` [k]."""

    ids: tuple[str, ...]
    targets: np.ndarray
    probabilities: np.ndarray
    classes: tuple[str, ...]
    task: str = "classification"

    @property
    def predicted(self) -> np.ndarray:
        """Index of the most probable class, [n]."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def correct(self) -> np.ndarray:
        """Whether the most probable class is the target, [n] bool."""
        return np.asarray(self.predicted == self.targets)

    @property
    def finite(self) -> np.ndarray:
        """[n] bool: nothing that was predicted is NaN or infinite."""
        return np.asarray(np.isfinite(self.probabilities).all(axis=1))

    @property
    def shares(self) -> np.ndarray | None:
        """How right each sample is, [n] in 0..1."""
        return self.correct

    def losses(self, floor: float = FLOOR) -> np.ndarray:
        """Cross-entropy of each sample in nats, [n]; probabilities are not taken below `floor`."""
        own = self.probabilities[np.arange(len(self.targets)), self.targets]
        return np.asarray(-np.log(np.maximum(own, floor)))

    def take(self, places: np.ndarray, ids: Sequence[str] | None = None) -> Predictions:
        """Rows by position, under new ids where given."""
        named = tuple(self.ids[place] for place in places) if ids is None else tuple(ids)
        return Predictions(named, self.targets[places], self.probabilities[places], self.classes, self.task)

    def joined(self, other: Any) -> Predictions:
        """These rows and then the other's, of the same kind."""
        shares = np.concatenate([self.probabilities, other.probabilities])
        targets = np.concatenate([self.targets, other.targets])
        return Predictions((*self.ids, *other.ids), targets, shares, self.classes, self.task)

    def agrees(self, other: Any, order: np.ndarray) -> bool:
        """Whether these rows, taken in `order`, have the other's targets and classes."""
        return bool(self.classes == other.classes and np.array_equal(self.targets[order], other.targets))

    def table(self) -> pa.Table:
        """id, target, predicted, probabilities; class names in the metadata."""
        names = np.asarray(self.classes, dtype=object)
        table = pa.table(
            {
                "id": pa.array(self.ids),
                "target": pa.array(names[self.targets]),
                "predicted": pa.array(names[self.predicted]),
                "probabilities": pa.array(list(self.probabilities.astype(np.float32)), type=pa.list_(pa.float32())),
            }
        )
        return table.replace_schema_metadata({"classes": "\n".join(map(_escape, self.classes))})

    @classmethod
    def of_table(cls, table: pa.Table) -> Predictions:
        """Read what `table` gave."""
        classes = _names(table.schema.metadata[b"classes"])
        index = {name: i for i, name in enumerate(classes)}
        targets = np.asarray([index[name] for name in table.column("target").to_pylist()], dtype=np.int64)
        flat = table.column("probabilities").combine_chunks().flatten().to_numpy()
        return cls(tuple(table.column("id").to_pylist()), targets, flat.reshape(len(targets), -1), classes)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Stored rows of one split of `task`: `columns` are numbers of each image, [n] or [n, k] float64, by name.

    `loss` [n] must be among them, more is worse; `share` [n] in 0..1 may be: how right each image is. `fixed` names the
    columns that the model does not change (how many pixels a class has, what a simple method scores): two arms that differ
    in one of these answer different questions. `classes` is empty for a task without classes.
    """

    task: str
    ids: tuple[str, ...]
    columns: Mapping[str, np.ndarray]
    classes: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    @property
    def finite(self) -> np.ndarray:
        """[n] bool: the loss is a finite number."""
        return np.asarray(np.isfinite(self.columns["loss"]))

    @property
    def shares(self) -> np.ndarray | None:
        """How right each sample is, [n] in 0..1; None where the task has no such number."""
        return self.columns.get("share")

    def losses(self, floor: float = FLOOR) -> np.ndarray:
        """The stored loss of each sample, [n]; `floor` is for kinds that store probabilities."""
        return self.columns["loss"]

    def take(self, places: np.ndarray, ids: Sequence[str] | None = None) -> Statistics:
        """Rows by position, under new ids where given."""
        named = tuple(self.ids[place] for place in places) if ids is None else tuple(ids)
        columns = {name: values[places] for name, values in self.columns.items()}
        return Statistics(self.task, named, columns, self.classes, self.fixed)

    def joined(self, other: Any) -> Statistics:
        """These rows and then the other's, of the same kind."""
        columns = {name: np.concatenate([values, other.columns[name]]) for name, values in self.columns.items()}
        return Statistics(self.task, (*self.ids, *other.ids), columns, self.classes, self.fixed)

    def agrees(self, other: Any, order: np.ndarray) -> bool:
        """Whether these rows, taken in `order`, have the other's classes and fixed columns."""
        same = (self.task, self.classes, self.fixed) == (other.task, other.classes, other.fixed)
        return same and all(np.allclose(self[name][order], other[name], equal_nan=True) for name in self.fixed)

    def table(self) -> pa.Table:
        """id and a column for each number ([n, k] as lists); task, classes and fixed in the metadata."""
        columns = {name: _column(values) for name, values in self.columns.items()}
        about = {"classes": self.classes, "fixed": self.fixed}
        told = {"task": self.task, **{key: "\n".join(map(_escape, names)) for key, names in about.items()}}
        return pa.table({"id": pa.array(self.ids), **columns}).replace_schema_metadata(told)

    @classmethod
    def of_table(cls, table: pa.Table) -> Statistics:
        """Read what `table` gave."""
        told = table.schema.metadata
        columns = {name: _values(table, name) for name in table.column_names if name != "id"}
        ids = tuple(table.column("id").to_pylist())
        return cls(told[b"task"].decode(), ids, columns, _names(told[b"classes"]), _names(told[b"fixed"]))


Rows = Predictions | Statistics


def read(table: pa.Table) -> Rows:
    """Stored rows of whichever kind the table holds."""
    return Statistics.of_table(table) if b"task" in table.schema.metadata else Predictions.of_table(table)


def _column(values: np.ndarray) -> pa.Array:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])


def _values(table: pa.Table, name: str) -> np.ndarray:
    column = table.column(name)
    if pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.combine_chunks().flatten().to_numpy()).reshape(table.num_rows, -1)
    return np.asarray(column.to_numpy())


def _names(text: bytes) -> tuple[str, ...]:
    return tuple(_unescape(name) for name in text.decode().split("\n")) if text else ()


def _escape(name: str) -> str:
    return name.replace("\\", "\\\\").replace("\n", "\\n")


def _unescape(name: str) -> str:
    return name.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")
