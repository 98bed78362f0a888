"""metadata.csv: what a table beside the images says of each: split, group, source and the user's own columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from snellen.data.formats.sample import Sample
from snellen.data.formats.tables import clean
from snellen.data.layout import split_name
from snellen.data.listing import read_listing

METADATA = "metadata.csv"
# What the column with the path is called beside annotated images.
PATHS = ("path", "image", "file_name", "filename", "file")


def lines_about(root: Path, paths: Sequence[str]) -> dict[str, Mapping[str, str]]:
    """Lines of the table in or right above the folder, by path relative to the folder; `paths`: names of its column.

    Raises SnellenError where the table cannot be read.
    """
    for folder, prefix in ((root, ""), (root.parent, f"{root.name}/")):
        file = folder / METADATA
        if file.is_file():
            table = read_listing(file)
            column = next((name for name in paths if name in table.columns), None)
            if column is not None:
                rows = ((clean(row[column]), _other(row, column)) for row in table.rows)
                return {path.removeprefix(prefix): row for path, row in rows if path.startswith(prefix)}
    return {}


def _other(row: Mapping[str, str], column: str) -> Mapping[str, str]:
    return row if column == "path" else {name: value for name, value in row.items() if name != column}


def with_metadata(samples: Sequence[Sample], root: Path) -> list[Sample]:
    """The samples with their lines, by path, else by a file name that is unique; folders go before the table's split."""
    table = lines_about(root, PATHS)
    if not table:
        return list(samples)
    by_name: dict[str, list[str]] = {}
    for path in table:
        by_name.setdefault(path.rpartition("/")[2], []).append(path)
    return [_with_line(sample, table, by_name, root) for sample in samples]


def _with_line(
    sample: Sample, table: Mapping[str, Mapping[str, str]], by_name: Mapping[str, list[str]], root: Path
) -> Sample:
    row = table.get(sample.path)
    named = by_name.get(sample.path.rpartition("/")[2], [])
    # A line that names a folder too is about the file there alone.
    if row is None and len(named) == 1 and "/" not in named[0]:
        row = table[named[0]]
    if row is None:
        return sample
    split = sample.split or split_name(row.get("split", ""), where=str(root))
    return replace(sample, table={**row, **(sample.table or {})}, split=split)
