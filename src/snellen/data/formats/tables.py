"""Tables of paths with one label each: CSV, TSV, Parquet or JSON lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from snellen.data.formats.notes import Notes
from snellen.data.formats.sample import Reading, Sample
from snellen.data.formats.text import Unreadable, lines_of
from snellen.data.layout import split_name
from snellen.data.listing import SUFFIXES, Listing, read_listing
from snellen.values import SnellenError

LINES = frozenset((".jsonl", ".ndjson"))
TABLES = SUFFIXES | LINES


def table_of(file: Path, notes: Notes | None = None) -> Listing:
    """Read a table; of JSON lines those that are not objects are told in `notes`, with file and line.

    Raises SnellenError where it cannot be read or holds no line that is one.
    """
    return _json_lines(file, notes or Notes()) if file.suffix.lower() in LINES else read_listing(file)


def read_table(table: Listing, name: str, notes: Notes) -> Reading:
    """Samples of a table with the columns path and label. Raises SnellenError where one of them is missing."""
    table.need("path", "label")
    samples = table_samples(table, name)
    return Reading(tasks=("classification",), format="table", samples=samples, notes=notes.listed())


def table_samples(table: Listing, name: str) -> list[Sample]:
    """A sample for every row, in their order; the target is the column `label`, where there is one."""
    table.need("path")
    if not table.rows:
        raise SnellenError(f"{table.file} lists no images; expected one line per image under the header")
    folder = table.file.parent
    samples = []
    for number, row in enumerate(table.rows, start=2):
        root, path = _located(folder, row["path"])
        if not path:
            raise SnellenError(f"{table.file}: row {number} has no path")
        split = split_name(row.get("split", ""), where=f"{table.file}, row {number}")
        samples.append(Sample(root, path, row.get("label", "").strip(), split, name, row))
    return samples


def _located(folder: Path, text: str) -> tuple[Path, str]:
    """(root, relative path) of a listed path; one that leaves the table's folder is kept absolute."""
    path = clean(text)
    if Path(path).is_absolute() or path.startswith("../"):
        whole = Path(os.path.abspath(folder / path))  # noqa: PTH100
        return Path(whole.anchor), whole.relative_to(whole.anchor).as_posix()
    return folder, path


def clean(text: str) -> str:
    """A listed path in its shortest form."""
    # A backslash is a separator only where it was written by Windows; elsewhere it is a letter of a name.
    path = text.replace("\\", "/") if os.sep == "\\" else text
    return os.path.normpath(path).replace(os.sep, "/") if path else ""


def _json_lines(file: Path, notes: Notes) -> Listing:
    try:
        lines = lines_of(file)
    except Unreadable as why:
        raise SnellenError(f"{file} cannot be read: {why}") from None
    found = []
    for number, line in enumerate(lines, start=1):
        row = _row(line) if line.strip() else {}
        if row is None:
            notes.add("line_corrupt", f"{file.name}:{number}")
        elif row:
            found.append(row)
    columns = tuple(dict.fromkeys(key for row in found for key in row))
    if not found:
        raise SnellenError(f'{file} holds no line of JSON; expected lines such as {{"path": "a.jpg", "label": "cat"}}')
    return Listing(file, columns, tuple({name: row.get(name, "") for name in columns} for row in found))


def _row(line: str) -> dict[str, str] | None:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return None
    return {str(key).strip().lower(): _cell(value) for key, value in row.items()} if isinstance(row, dict) else None


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
