"""Run: one folder that holds what a training did. Every number of a report can be recomputed from its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from snellen import store
from snellen.catalog import Catalog, MissingSignal
from snellen.recipe import Recipe
from snellen.rows import Predictions as Predictions
from snellen.rows import Rows as Rows
from snellen.rows import read as read_rows
from snellen.values import Finding, SnellenError, freeze, to_json


@dataclass(frozen=True, slots=True)
class Run:
    """`recipe.yaml` (resolved), `environment.json`, `catalog.parquet`, `signals.jsonl`, `predictions/<split>.parquet`,
    `checkpoints/{last,best}.safetensors`, `findings.json`, `DONE`."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, recipe: Recipe, catalog: Catalog, environment: Mapping[str, Any]) -> Run:
        """Make the folder and write what is known before training. Raises SnellenError where a finished run stands there."""
        run = cls(Path(folder))
        if run.done:
            raise SnellenError(f"{folder} holds a finished run; choose another folder")
        catalog.drop_columns(["embedding"]).save(run.folder / "catalog.parquet")
        store.write_json(run.folder / "environment.json", environment)
        # Last: with it the run counts as begun.
        recipe.resolve().save(run.folder / "recipe.yaml")
        return run

    @classmethod
    def open(cls, folder: Path) -> Run:
        """A run that exists; raises SnellenError where the folder holds none."""
        run = cls(Path(folder))
        if not (run.folder / "recipe.yaml").is_file():
            raise SnellenError(f"{folder} holds no run (there is no recipe.yaml in it)")
        return run

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        path = self.folder / "recipe.yaml"
        if not path.is_file():
            return Recipe.load(path)  # It says what is missing.
        about = path.stat()
        # The store replaces files as a whole: one that was written again is another one.
        return _recipe(path.absolute(), (about.st_dev, about.st_ino, about.st_mtime_ns, about.st_size))

    @property
    def catalog(self) -> Catalog:
        """The catalog that the run trained on, with measurements, without embeddings."""
        return Catalog.load(self.folder / "catalog.parquet")

    @property
    def class_count(self) -> int:
        """Number of classes of the catalog."""
        return len(self.catalog.classes)

    def knows(self, key: str) -> bool:
        """Whether a recipe key (or "classes") is what was trained with. A run is; another tool's log tells only some of it."""
        return True

    @property
    def environment(self) -> dict[str, Any]:
        """Machine, versions, threads, and what the probe chose."""
        return dict(store.read_json(self.folder / "environment.json"))

    @property
    def journal(self) -> store.Journal:
        """The signals' file."""
        return store.Journal(self.folder / "signals.jsonl")

    @property
    def done(self) -> bool:
        """Whether training ended by itself."""
        return (self.folder / "DONE").is_file()

    def finish(self, about: Mapping[str, Any]) -> None:
        """Mark the run as finished, with its cost."""
        store.write_json(self.folder / "DONE", about)

    @property
    def cost(self) -> dict[str, Any]:
        """What `finish` was told: seconds, epochs, steps."""
        return dict(store.read_json(self.folder / "DONE"))

    def record(self, meter: str, values: Mapping[str, Any]) -> None:
        """Append one signal."""
        self.record_all({meter: values})

    def record_all(self, signals: Mapping[str, Mapping[str, Any]]) -> None:
        """Append a signal of each meter, in order."""
        self.journal.append(*({"meter": meter, **values} for meter, values in signals.items()))

    def signals(self, meter: str) -> tuple[Mapping[str, Any], ...]:
        """The records of one meter in order; raises MissingSignal where there is none. Non-finite numbers are floats again."""
        found = tuple(freeze(revive(item)) for item in self.journal.read() if item["meter"] == meter)
        if not found:
            raise MissingSignal(meter)
        return found

    def write_predictions(self, split: str, rows: Rows) -> None:
        """Store a split's rows."""
        store.write_table(self.folder / "predictions" / f"{split}.parquet", rows.table())

    def predictions(self, split: str) -> Any:
        """A split's stored rows (`Predictions` or `Statistics`, see snellen/rows); raises MissingSignal where they were not made."""
        path = self.folder / "predictions" / f"{split}.parquet"
        if not path.is_file():
            raise MissingSignal(f"predictions of {split}")
        return read_rows(store.read_table(path))

    def write_findings(self, findings: Iterable[Finding]) -> None:
        """Store what the rules said."""
        write_findings(self.folder / "findings.json", findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules said; empty where they have not looked."""
        path = self.folder / "findings.json"
        return read_findings(path) if path.is_file() else ()

    def checkpoint(self, name: str) -> Path:
        """Path of the checkpoint `last` or `best`."""
        return self.folder / "checkpoints" / f"{name}.safetensors"


@lru_cache(maxsize=64)
def _recipe(path: Path, version: tuple[int, ...]) -> Recipe:
    """Read once for as long as the file stays as it is: every rule asks for the recipe, and YAML is slow to read."""
    return Recipe.load(path)


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings as a JSON list."""
    store.write_json(path, [to_json(finding) for finding in findings])


def read_findings(path: Path) -> tuple[Finding, ...]:
    """Read a list that `write_findings` wrote."""
    return tuple(Finding(**item) for item in store.read_json(path))


def revive(value: Any) -> Any:
    """`value` as it was before the store wrote it: JSON has no NaN, so that words stand for the numbers that are not finite."""
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, Mapping):
        return {key: revive(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [revive(item) for item in value]
    return value
