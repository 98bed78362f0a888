"""metadata.csv: what a table beside the images says of each: split, group, source and the user's own columns."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from snellen.data.formats.notes import Notes
from snellen.data.formats.sample import Sample
from snellen.data.formats.tables import clean
from snellen.data.formats.tree import Parts, shown
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
                rows = ((_path(folder, row[column]), _other(row, column)) for row in table.rows)
                return {path.removeprefix(prefix): row for path, row in rows if path.startswith(prefix)}
    return {}


def _path(folder: Path, text: str) -> str:
    """A listed path in its shortest form; in a table from Windows, backslashes stand between its parts."""
    path = clean(text)
    return clean(path.replace("\\", "/")) if "\\" in path and not os.path.lexists(folder / path) else path


def _other(row: Mapping[str, str], column: str) -> Mapping[str, str]:
    return row if column == "path" else {name: value for name, value in row.items() if name != column}


def with_metadata(samples: Sequence[Sample], root: Path, files: Sequence[Parts], notes: Notes) -> list[Sample]:
    """The samples with their lines, by path, else by a file name that is unique; folders go before the table's split.

    Lines that are about no sample and none of the other `files` are told.
    """
    table = lines_about(root, PATHS) if samples else {}
    if not table:
        return list(samples)
    lines = Counter(_name(path) for path in table)
    names = Counter(map(_name, {sample.path for sample in samples}))
    # A line that names a folder too is about the file there alone.
    alone = {path for path in table if "/" not in path and lines[path] == 1 and names[path] == 1}
    used = {shown(file) for file in files} | {file[-1] for file in files if not names[file[-1]]}
    found = []
    for sample in samples:
        name = _name(sample.path)
        path = name if name in alone and sample.path not in table else sample.path
        found.append(_with_line(sample, table.get(path), root))
        used.add(path)
    tell_unused(table, used, notes)
    return found


def tell_unused(table: Iterable[str], used: Collection[str], notes: Notes) -> None:
    """Note the lines of the table, by path, that are of no use."""
    for path in table:
        if path not in used:
            notes.add("metadata_unused", path)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _with_line(sample: Sample, row: Mapping[str, str] | None, root: Path) -> Sample:
    if row is None:
        return sample
    split = sample.split or split_name(row.get("split", ""), where=str(root))
    return replace(sample, table={**row, **(sample.table or {})}, split=split)
