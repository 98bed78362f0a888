"""Keras: the table of CSVLogger, and a history (`History.history`) that was saved as JSON.

Source: keras/src/callbacks/csv_logger.py, history.py.
"""

from __future__ import annotations

import json

from snellen.foreign.columns import role_of
from snellen.foreign.gather import Gather, finish, from_table
from snellen.foreign.head import Head
from snellen.foreign.lines import Trouble, number
from snellen.foreign.reading import Reading
from snellen.values import SnellenError

LARGEST = 64_000_000
SIDES = {"train": "loss", "val": "val_loss", "lr": "learning_rate"}
# What Keras calls the accuracy of a classifier, by its loss.
ACCURACIES = ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy", "binary_accuracy")


def detect(head: Head) -> bool:
    """A table with epoch and loss, or an object of lists with "loss" in it."""
    if head.columns:
        return "epoch" in head.columns and "loss" in head.columns
    start = head.text.lstrip()
    # The lists of a long history reach beyond the head: what counts is that one begins.
    return start.startswith("{") and "[" in start and any(f'"{name}": [' in start.replace('":[', '": [') for name in ("loss", "val_loss"))  # fmt: skip


def read(head: Head) -> Reading:
    """One row, or one entry of every list, an epoch."""
    return _table(head) if head.columns else _history(head)


def _roles(names: tuple[str, ...]) -> dict[str, str]:
    found = {role: name for role, name in SIDES.items() if name in names}
    if "lr" not in found and "lr" in names:
        found["lr"] = "lr"
    accuracy = next((name for name in ACCURACIES if name in names or f"val_{name}" in names), None)
    for role, name in (("train_accuracy", accuracy), ("val_accuracy", f"val_{accuracy}")):
        found |= {role: name} if accuracy and name in names else {}
    return found


def _table(head: Head) -> Reading:
    columns = {"epoch": ["epoch"], **{role: [name] for role, name in _roles(head.columns).items()}}
    return from_table(head.path, format="Keras CSVLogger", framework="keras", columns=columns, replace=True)


def _history(head: Head) -> Reading:
    if head.path.stat().st_size > LARGEST:
        raise SnellenError(f"{head.path} is a history of more than {LARGEST:,} bytes; write it with CSVLogger instead")
    try:
        given = json.loads(head.path.read_bytes().decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise SnellenError(
            f"{head.path} begins as a Keras history and is not whole JSON ({error}); save History.history again"
        ) from None
    given = given if isinstance(given, dict) else {}
    inner = given.get("history")
    given = inner if isinstance(inner, dict) else given
    lists = {str(key): value for key, value in given.items() if isinstance(value, list)}
    roles, trouble = _roles(tuple(lists)), Trouble()
    if len({len(lists[name]) for name in roles.values()}) > 1:
        trouble("the lists of the history differ in length: the shorter end earlier")
    gather = Gather("epoch", trouble)
    for epoch in range(max((len(lists[name]) for name in roles.values()), default=0)):
        values = {role: number(lists[name][epoch]) for role, name in roles.items() if epoch < len(lists[name])}
        gather.add(values, epoch)
    others = sum(role_of(name) is not None for name in lists) - len(roles)
    notes = (f"{others} further lists were not read",) if others > 0 else ()
    return finish(gather, path=head.path, format="Keras history", framework="keras", columns=roles, notes=notes)
