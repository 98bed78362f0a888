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
from snellen.shelf import TASKS
from snellen.values import Finding, thaw

Record = Mapping[str, Any]
# Guessing among a million classes, in nats.
BLOWN = math.log(1e6)
NAMED = {
    "train": "the training loss",
    "val": "the validation loss",
    "train_accuracy": "the training accuracy",
    "val_accuracy": "the validation accuracy",
}


def by_stage(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """Records grouped by stage, in the order of training."""
    return [(str(name), list(items)) for name, items in groupby(records, key=lambda record: record["stage"])]


def last_stage(records: Sequence[Record]) -> list[Record]:
    """Records of the stage that the run ended in."""
    return by_stage(records)[-1][1]


def steps_of_last(records: Sequence[Record]) -> int:
    """Optimiser steps of the last stage."""
    stages = by_stage(records)
    before = int(stages[-2][1][-1]["step"]) if len(stages) > 1 else 0
    return int(stages[-1][1][-1]["step"]) - before


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


def acted(run: Run, rule: str) -> list[Finding]:
    """What a rule said while training went on, and the autopilot answered: between two epochs it sees what no epoch's record shows."""
    told = [thaw(item["finding"]) for item in optional(run, "autopilot")]
    return [Finding(**item) for item in told if item["rule"] == rule]


def median(values: Iterable[float]) -> float:
    """Median of the numbers given; NaN where there is none or one is NaN."""
    numbers = np.asarray(list(values), dtype=float)
    return float(np.median(numbers)) if len(numbers) and not np.isnan(numbers).any() else math.nan


def numbers(records: Iterable[Record], key: str) -> list[float]:
    """One number of each record that has it."""
    return [float(record[key]) for record in records if record.get(key) is not None]


def classes(run: Run) -> int:
    """Number of classes of the run; at least 2."""
    recall = optional(run, "recall")
    count = run.class_count
    rows = None if count else stored(run, "val")
    return max(2, len(recall[-1]["values"]) if recall else 0, count, len(rows.classes) if rows else 0)


def guessing(run: Run) -> float:
    """Cross-entropy of guessing among the classes: log k, in nats."""
    return math.log(classes(run))


def unlearned(run: Run) -> float:
    """Loss of a model that has learned nothing: log k; where the number of classes is not known, the first training loss."""
    if run.knows("classes"):
        return guessing(run)
    first = next(iter(numbers(optional(run, "loss"), "train")), math.inf)
    # No number of classes explains it: the training blew up within its first epoch.
    return 0.0 if BLOWN < first < math.inf else first


def told(run: Run, key: str) -> Any:
    """A recipe value by its dotted key; None where the run does not know what it was (another tool's log)."""
    if not run.knows(key):
        return None
    value: Any = run.recipe
    for step in key.split("."):
        value = getattr(value, step)
    return value


def in_nats(run: Run) -> None:
    """Raise MissingSignal where the recorded loss is not known to be a cross-entropy: limits in nats mean nothing there."""
    if not run.knows("loss.name"):
        raise MissingSignal("a loss that is known to be a cross-entropy")


def among_classes(run: Run) -> bool:
    """Whether the task chooses among classes, so that guessing has a loss; images that are restored have none."""
    return str(TASKS.constant(run.recipe.task, "SMOOTH")).endswith("log_loss")


def needed(records: Sequence[Record], *keys: str) -> None:
    """Raise MissingSignal for a number that no record has, because a rule that compares with nothing is silent."""
    for key in keys:
        if not numbers(records, key):
            raise MissingSignal(NAMED.get(key, key))


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
