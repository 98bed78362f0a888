"""Times of samples as they are written in tables and cameras, made comparable."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np

from snellen.catalog import Catalog
from snellen.shelf import hint
from snellen.values import SnellenError

# What columns of times are called, after `meta_` or not.
NAMES = ("time", "datetime", "timestamp", "date", "captured", "capture_time", "capture_date", "date_time", "datetimeoriginal",
         "date_taken", "taken", "created")  # fmt: skip
# Cameras write 2021:05:07 10:00:00.
EXIF = re.compile(r"^(\d{4}):(\d{2}):(\d{2})")


def time_column(catalog: Catalog, name: str) -> str:
    """The column that `name` means: itself, with `meta_` before it, or for "auto" the first that is called like a time.

    Raises SnellenError where there is none.
    """
    columns = catalog.table.column_names
    if name == "auto":
        found = [column for word in NAMES for column in (f"meta_{word}", word) if column in columns]
        if found:
            return found[0]
        own = ", ".join(column.removeprefix("meta_") for column in columns if column.startswith("meta_"))
        raise SnellenError(
            f"the data has no column of times to split by (its own columns: {own or 'none'}); add one called time to "
            "metadata.csv or the list, or name it: --split time=COLUMN"
        )
    return f"meta_{name}" if name not in columns and f"meta_{name}" in columns else name


def times(catalog: Catalog, name: str) -> np.ndarray:
    """The column (as `time_column` finds it) as numbers that grow with time, [n]; -inf where a sample has none.

    Read are ISO 8601 and EXIF dates (without a zone: UTC), and numbers where every value is one. Raises SnellenError for a
    column that there is not, and for a time that cannot be read.
    """
    name = time_column(catalog, name)
    if not catalog.has(name):
        raise SnellenError(
            f"the catalog has no column {name!r} of times{hint(name, tuple(catalog.table.column_names))}"
        )
    values = catalog.table.column(name).to_pylist()
    texts = ["" if _blank(value) else str(value).strip() for value in values]
    numbers = [_number(text) for text in texts]
    if all(number is not None for number, text in zip(numbers, texts, strict=True) if text):
        return np.asarray([-math.inf if number is None else number for number in numbers])
    ids = catalog.ids
    return np.asarray([_seconds(text, f"{name} of sample {ids[row]}") for row, text in enumerate(texts)])


def _blank(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds(text: str, where: str) -> float:
    if not text:
        return -math.inf
    try:
        moment = datetime.fromisoformat(EXIF.sub(r"\1-\2-\3", text))
    except ValueError:
        raise SnellenError(f"{where} is {text!r}, expected a date such as 2024-05-07T10:00:00 or a number") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
