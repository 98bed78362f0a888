"""Tables of samples: CSV, TSV or Parquet with a `path` column, given as the dataset or lying beside its folders."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from snellen import store
from snellen.values import SnellenError

SUFFIXES = frozenset((".csv", ".tsv", ".parquet"))
KNOWN = ("path", "label", "split", "group", "source", "annotator")
# What other tools call our columns; only used to tell the user what to rename.
OTHER_NAMES = {
    "path": (
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "image",
        "image_path",
        "image_id",
        "img",
        "name",
    ),
    "label": ("class", "target", "category", "class_name", "labels", "y", "species", "diagnosis"),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """`rows`: column name (lower case) to text, nothing is null."""

    file: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]

    def need(self, *names: str) -> None:
        """Raise SnellenError, with the nearest column, where one of these is missing."""
        for name in names:
            if name not in self.columns:
                near = self._near(name)
                advice = f"; did you mean {near!r}? Rename it to {name!r}" if near else f"; add a column {name!r}"
                raise SnellenError(f"{self.file} has no column {name!r} (it has {', '.join(self.columns)}){advice}")

    def _near(self, name: str) -> str | None:
        free = [column for column in self.columns if column not in KNOWN]
        for other in OTHER_NAMES.get(name, ()):
            if other in free:
                return other
        return next(iter(difflib.get_close_matches(name, free, n=1, cutoff=0.6)), None)


def read_listing(file: Path) -> Listing:
    """Read a table of text. Raises SnellenError where it cannot be read, is empty, or repeats a column."""
    header, rows = _parquet(file) if file.suffix.lower() == ".parquet" else _text(file)
    columns = tuple(name.strip().lower() for name in header)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise SnellenError(f"{file} has the column {twice[0]!r} more than once; rename one of them")
    return Listing(file, columns, tuple(dict(zip(columns, row, strict=True)) for row in rows))


def _parquet(file: Path) -> tuple[Sequence[str], list[list[str]]]:
    import pyarrow as pa

    try:
        table = store.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise SnellenError(f"{file} is not a Parquet file that can be read: {error}") from None
    columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in table.columns]
    return table.column_names, [list(row) for row in zip(*columns, strict=True)]


def _text(file: Path) -> tuple[Sequence[str], list[list[str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            stream.seek(0)
            rows = [row for row in csv.reader(stream, delimiter=_delimiter(file, first), strict=True) if row]
    except UnicodeDecodeError as error:
        raise SnellenError(
            f"{file} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    except (OSError, csv.Error) as error:
        raise SnellenError(f"{file} cannot be read: {error}") from None
    if not rows:
        raise SnellenError(f"{file} is empty; expected a header line with the columns path and label")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise SnellenError(f"{file}: row {number} has {len(row)} fields, the header has {len(rows[0])}")
    return rows[0], rows[1:]


def _delimiter(file: Path, header: str) -> str:
    if file.suffix.lower() == ".tsv":
        return "\t"
    return max((",", ";", "\t"), key=header.count)
