"""Catalogs that a case wrote (catalog.parquet, corrected.parquet, consensus.parquet), read again as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from snellen import store
from snellen.catalog import COLUMNS, OK, Catalog
from snellen.data.content import contents
from snellen.values import SnellenError

# What was annotated; every other column was measured, and is measured again.
ANNOTATED = ("objects", "mask", "pair", "labels")
CHANGED, UNLABELLED = "changed since the catalog was written", "no label"


def is_catalog(file: Path) -> bool:
    """Whether this is a Parquet file with the columns of a catalog, and not a list of paths and labels."""
    if file.suffix.lower() != ".parquet" or not file.is_file():
        return False
    try:
        names = pq.read_schema(file).names
    except (pa.ArrowInvalid, OSError):
        return False
    return set(COLUMNS) <= set(names)


def read_catalog(file: Path, *, task: str | None, group: str | None) -> Catalog:
    """The samples with their ids, labels and splits, so that what is trained on them can be compared, sample by sample, with what
    was trained before. Files are hashed again: one that is gone or is another one now has a verdict that says so.

    Raises SnellenError where it was written for another task than `task`, or has no column `group`."""
    known = Catalog(store.read_table(file))
    if task not in (None, known.task):
        raise SnellenError(
            f"{file} was written for {known.task}, and {task} is asked for; leave --task out or give the data itself"
        )
    names = [name for name in known.table.column_names if name in (*COLUMNS, *ANNOTATED) or name.startswith("meta_")]
    catalog = Catalog(known.table.select(names)).with_columns({"verdict": _verdicts(known)})
    if group not in (None, "group"):
        if f"meta_{group}" not in names:
            raise SnellenError(f"{file} has no column {group!r} that data.group names")
        catalog = catalog.with_columns({"group": known.table.column(f"meta_{group}")})
    facts: dict[str, Any] = {"task": known.task, "format": f"catalog ({known.about('format') or known.task})"}
    if known.task == "classification":
        facts["classes"] = sorted({*known.column("target").tolist()} - {""})
    return catalog.with_about(facts)


def _verdicts(known: Catalog) -> pa.Array:
    """Those that were found, but of files as they are now, and of labels as they stand now."""
    found = contents(known.paths())
    before = zip(*(known.table.column(name).to_pylist() for name in ("content", "verdict", "target")), strict=True)
    verdicts = []
    for (content, verdict, target), (now, state) in zip(before, found, strict=True):
        known_as = OK if verdict == UNLABELLED and target else verdict
        as_it_is = CHANGED if state == OK and now != content else state
        verdicts.append(as_it_is if known_as == OK else known_as)
    return pa.array(verdicts, type=pa.string())
