"""LogRun: a reading in the place of a run, so that the run rules look at it. What the log does not tell raises MissingSignal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snellen.catalog import Catalog, MissingSignal
from snellen.foreign.reading import Reading
from snellen.recipe import Recipe
from snellen.run import Rows, Run, revive
from snellen.values import freeze


@dataclass(frozen=True, slots=True)
class LogRun(Run):
    """A training that another tool ran. There is no folder to write to and no recipe to change."""

    reading: Reading

    @classmethod
    def of(cls, reading: Reading) -> LogRun:
        """The run of a reading."""
        return cls(reading.path, reading)

    def knows(self, key: str) -> bool:
        """Whether the log tells a recipe key, "loss.name" (a cross-entropy), "classes" or "catalog"."""
        told = {"loss.name": self.reading.nats, "classes": self.reading.classes is not None}
        return told.get(key, key in self.reading.known)

    @property
    def recipe(self) -> Recipe:
        """A recipe that holds what the log told; the rest are defaults that rules must not speak of (see `knows`)."""
        return Recipe().change(self.reading.known)

    @property
    def catalog(self) -> Catalog:
        """Raises MissingSignal: a log names no samples."""
        raise MissingSignal("the samples (a log does not name them)")

    @property
    def class_count(self) -> int:
        """As it was given; raises MissingSignal where it was not."""
        if self.reading.classes is None:
            raise MissingSignal("the number of classes (give --classes N)")
        return self.reading.classes

    @property
    def environment(self) -> dict[str, Any]:
        """Nothing is known of the machine."""
        return {}

    def signals(self, meter: str) -> tuple[Mapping[str, Any], ...]:
        """The records of one meter; raises MissingSignal where there is none."""
        found = tuple(freeze(revive(item)) for item in self.reading.signals if item["meter"] == meter)
        if not found:
            raise MissingSignal(f"the signal {meter}")
        return found

    def predictions(self, split: str) -> Rows:
        """Raises MissingSignal: a log holds no rows."""
        raise MissingSignal(f"predictions of {split}")
