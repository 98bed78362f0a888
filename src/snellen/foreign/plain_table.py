"""Any other table: what its columns mean is guessed from their names, and said."""

from __future__ import annotations

from snellen.foreign.columns import guess
from snellen.foreign.gather import from_table
from snellen.foreign.head import Head
from snellen.foreign.reading import Reading


def detect(head: Head) -> bool:
    """A table in whose column names something is known."""
    return bool(head.columns)


def read(head: Head) -> Reading:
    """The plainest column of each role."""
    columns = {role: [name] for role, name in guess(head.columns).items()}
    notes = ("columns were guessed from their names",)
    return from_table(head.path, format="table", framework="", columns=columns, notes=notes)
