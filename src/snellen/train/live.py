"""Live: a training that is under way, in the place of a run, so that the run rules look at it. Nothing is read from the disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snellen.catalog import MissingSignal
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.run import Run, revive
from snellen.store import plain
from snellen.values import freeze

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Live(Run):
    """`known`: the recipe as it stands; `count`: number of classes; `heard`: the records that count, as `hear` made them."""

    known: Recipe
    count: int
    heard: tuple[Record, ...]

    @property
    def recipe(self) -> Recipe:
        """The recipe as it stands, with what the autopilot has changed."""
        return self.known

    @property
    def class_count(self) -> int:
        """Number of classes of the catalog."""
        return self.count

    def signals(self, meter: str) -> tuple[Record, ...]:
        """The records of one meter in order; raises MissingSignal where there is none."""
        found = tuple(item for item in self.heard if item["meter"] == meter)
        if not found:
            raise MissingSignal(meter)
        return found

    def predictions(self, split: str) -> Rows:
        """Raises MissingSignal: rows are stored when training has ended."""
        raise MissingSignal(f"predictions of {split}")


def hear(meter: str, values: Record) -> Record:
    """A record as it would come back from the journal: a resumed training must judge by the same numbers."""
    record: Record = freeze(revive(plain({"meter": meter, **values})))
    return record
