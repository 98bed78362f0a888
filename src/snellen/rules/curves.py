"""How rules read a run: its stages, the end of its curves, the loss of guessing, how surprising a count is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from snellen.catalog import MissingSignal
from snellen.rows import Rows
from snellen.run import Run

Record = Mapping[str, Any]


def by_stage(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """Records grouped by stage, in the order of training."""
    return [(str(name), list(items)) for name, items in groupby(records, key=lambda record: record["stage"])]


def last_stage(records: Sequence[Record]) -> list[Record]:
    """Records of the stage that the run ended in."""
    return by_stage(records)[-1][1]


def optional(run: Run, meter: str) -> tuple[Record, ...]:
    """A meter's records; empty where it did not measure. For evidence that a rule can do without."""
    try:
        return run.signals(meter)
    except MissingSignal:
        return ()


def stored(run: Run, split: str) -> Any:
    """A split's stored rows; None where they were not made. For evidence that a rule can do without."""
    try:
        return run.predictions(split)
    except MissingSignal:
        return None


def median(values: Iterable[float]) -> float:
    """Median of the numbers given; NaN where there is none or one is NaN."""
    numbers = np.asarray(list(values), dtype=float)
    return float(np.median(numbers)) if len(numbers) and not np.isnan(numbers).any() else math.nan


def numbers(records: Iterable[Record], key: str) -> list[float]:
    """One number of each record that has it."""
    return [float(record[key]) for record in records if record.get(key) is not None]


def classes(run: Run) -> int:
    """Number of classes of the run; at least 2."""
    recall, named = optional(run, "recall"), run.catalog.classes
    rows = None if named else stored(run, "val")
    return max(2, len(recall[-1]["values"]) if recall else 0, len(named), len(rows.classes) if rows else 0)


def guessing(run: Run) -> float:
    """Cross-entropy of guessing among the classes: log k, in nats."""
    return math.log(classes(run))


def sample_losses(rows: Rows) -> np.ndarray:
    """Loss of each stored row, [n]; of class predictions the cross-entropy in nats."""
    return np.maximum(rows.losses(1e-7), 0.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p-values that hold for all looks together.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statistics 6 (1979).
    """
    order = np.argsort(p_values)
    corrected, worst = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = worst
    return corrected
