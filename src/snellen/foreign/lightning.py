"""Lightning's metrics.csv: a row for each time that something was logged, with the other cells empty.

Source: lightning/fabric/loggers/csv_logs.py, `_ExperimentWriter`; lightning/pytorch/loggers/csv_logs.py.
"""

from __future__ import annotations

from snellen.foreign.columns import guess
from snellen.foreign.gather import from_table
from snellen.foreign.head import Head
from snellen.foreign.reading import Reading


def detect(head: Head) -> bool:
    """Whether it is metrics.csv with epoch and step."""
    return head.path.name == "metrics.csv" and {"epoch", "step"} <= set(head.columns)


def read(head: Head) -> Reading:
    """Names are the user's own, so their meaning is guessed; the mean of an epoch's training rows, its last validation."""
    roles = {"epoch": "epoch", **guess(name for name in head.columns if name not in ("epoch", "step"))}
    columns = {role: [name] for role, name in roles.items() if role != "step"}
    if "lr" not in columns and (rates := [name for name in head.columns if name.startswith("lr-")]):
        columns["lr"] = rates[:1]
    return from_table(
        head.path, format="Lightning metrics.csv", framework="lightning", columns=columns, carry=True, notes=("columns were guessed from their names",)
    )  # fmt: skip
