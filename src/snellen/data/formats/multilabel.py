"""Multi-label tables: several labels in one cell (a|b, a;b, a list), or one column of 0 and 1 for each class."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from snellen.data.formats.notes import Notes
from snellen.data.formats.sample import Reading, Sample
from snellen.data.formats.tables import table_of, table_samples
from snellen.data.formats.tree import Parts, images_of, shown
from snellen.data.listing import KNOWN, Listing
from snellen.values import SnellenError

FORMAT = "multi-label table"
TASKS = ("multilabel",)
OWN = (".csv", ".tsv", ".parquet", ".jsonl")

# Columns that hold labels; `label` holds one class unless its cells show otherwise.
_COLUMNS = ("labels", "tags", "classes", "label")
_SEPARATORS = ("|", ";", ",")
_YES, _NO, _UNSURE = (
    frozenset(("1", "1.0", "true", "yes")),
    frozenset(("0", "0.0", "false", "no")),
    ("", "-1", "-1.0", "nan"),
)
# Tables that lie in a folder and are looked into, by name.
_TABLES = ("labels", "annotations", "train", "multilabel", "metadata")


def detect(root: Path, files: Sequence[Parts]) -> str | None:
    """ "multi-label table" where the folder holds one table that lists its images with several labels each.

    Raises SnellenError where it holds none, and one that cannot be read.
    """
    return FORMAT if _table(root, files) is not None else None


def read_multilabel(
    root: Path, name: str, files: Sequence[Parts], *, task: str | None = None, only: Parts | None = None
) -> Reading:
    """The table in a folder."""
    table = _table(root, files)
    if table is None:
        return Reading(tasks=TASKS, format=FORMAT, samples=())
    reading = read_labels(table, name, asked=task == "multilabel")
    assert reading is not None
    return reading


def read_labels(table: Listing, name: str, *, asked: bool = False) -> Reading | None:
    """The table's samples with their labels; None where it holds one class for each image (and no more was `asked` for).

    Raises SnellenError where more was asked for and no column holds labels.
    """
    notes = Notes()
    cells = _cells(table, asked) or _indicators(table, asked, notes)
    if cells is None:
        if asked:
            raise SnellenError(
                f"{table.file} has no column with several labels (it has {', '.join(table.columns)}); expected a column "
                "'labels' with a|b or a list in its cells, or one column of 0 and 1 for each class"
            )
        return None
    labels, classes, used = cells
    samples = [
        _with_labels(sample, found, used) for sample, found in zip(table_samples(table, name), labels, strict=True)
    ]
    return Reading(tasks=TASKS, format=FORMAT, samples=samples, classes=classes, notes=notes.listed())


def _with_labels(sample: Sample, labels: Sequence[str], used: Sequence[str]) -> Sample:
    # Copied with what is known of the image besides its labels: those would become metadata.
    table = {key: value for key, value in (sample.table or {}).items() if key not in used}
    return Sample(sample.root, sample.path, split=sample.split, source=sample.source, table=table, labels=tuple(labels))


def _table(root: Path, files: Sequence[Parts]) -> Listing | None:
    """The table right in the folder whose rows name images of it and hold several labels."""
    images = {shown(file) for file in images_of(files)}
    unread: SnellenError | None = None
    for file in files:
        word, _, suffix = file[-1].lower().rpartition(".")
        if len(file) > 1 or word not in _TABLES or suffix not in ("csv", "tsv", "parquet", "jsonl"):
            continue
        try:
            table = table_of(root.joinpath(*file))
        except SnellenError as why:
            unread = unread or why
            continue
        if "path" in table.columns and any(row["path"] in images for row in table.rows):
            several = _cells(table, False) or _indicators(table, False, Notes())
            if several is not None:
                return table
    if unread is not None:
        raise unread
    return None


Cells = tuple[list[list[str]], tuple[str, ...], tuple[str, ...]]


def _cells(table: Listing, asked: bool) -> Cells | None:
    """Labels of every row, classes and the column used, of a column whose cells hold several."""
    columns = ("label",) if "label" in table.columns and not asked else _COLUMNS
    column = next((name for name in columns if name in table.columns), None)
    if column is None:
        return None
    cells = [row[column] for row in table.rows]
    split = _splitter(cells, sure=asked or column != "label")
    if split is None:
        return None
    labels = [list(dict.fromkeys(split(cell))) for cell in cells]
    return labels, tuple(sorted({label for found in labels for label in found})), (column,)


def _splitter(cells: Sequence[str], *, sure: bool) -> Callable[[str], list[str]] | None:
    """How a cell becomes labels; None where each cell is one label.

    Cells of a column `label` are split only where that makes sense: at | or ;, and most parts of split cells stand in other
    cells too. In "cat, domestic" the comma belongs to the name.
    """
    if any(cell.startswith(("[", "(")) for cell in cells) and all(cell[:1] in ("[", "(", "") for cell in cells):
        return _literal
    for separator in _SEPARATORS if sure else _SEPARATORS[:2]:
        held = [cell for cell in set(cells) if separator in cell]
        parts = Counter(part for cell in set(cells) for part in set(_parts(cell, separator)))
        of_held = {part for cell in held for part in _parts(cell, separator)}
        if held and (sure or 2 * sum(parts[part] > 1 for part in of_held) >= len(of_held)):
            return lambda cell, separator=separator: _parts(cell, separator)  # type: ignore[misc]
    return (lambda cell: _parts(cell, "|")) if sure else None


def _parts(cell: str, separator: str) -> list[str]:
    return [part for word in cell.split(separator) if (part := word.strip())]


def _literal(cell: str) -> list[str]:
    """A list as Python or JSON writes it; a cell that is none is one label."""
    try:
        found = ast.literal_eval(cell or "[]")
    except (ValueError, SyntaxError):
        # Arrow and NumPy write lists without commas.
        found = cell.strip("[]()").replace("'", " ").replace('"', " ").split()
    return [str(label).strip() for label in found if str(label).strip()] if isinstance(found, list | tuple) else [cell]


def _indicators(table: Listing, asked: bool, notes: Notes) -> Cells | None:
    """Labels of columns that hold nothing but 0 and 1. A table in which every row has exactly one 1 is multi-label only
    where that was asked for."""
    if "label" in table.columns or not table.rows:
        return None
    columns = [name for name in table.columns if name and name not in KNOWN and _is_indicator(table.rows, name)]
    if len(columns) < 2:
        return None
    labels = [[name for name in columns if row[name].strip().lower() in _YES] for row in table.rows]
    if not asked and all(len(found) == 1 for found in labels):
        return None
    unsure = sum(row[name].strip().lower() not in _YES | _NO for row in table.rows for name in columns)
    if unsure:
        notes.add("value_unsure", table.file.name, unsure)
    return labels, tuple(columns), tuple(columns)


def _is_indicator(rows: Sequence[Mapping[str, str]], name: str) -> bool:
    values = {row[name].strip().lower() for row in rows}
    return bool(values & _YES) and values <= {*_YES, *_NO, *_UNSURE}
