"""Desk: what has been asked and answered in a review, kept in the case's journal after every answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snellen import store
from snellen.annotations import Objects
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.report.measures import wilson
from snellen.report.review_items import Item, Questions, questions
from snellen.report.words import Words
from snellen.values import SnellenError

JOURNAL = "review.jsonl"
ANSWERS = ("right", "wrong", "relabel", "accept", "skip")
MOST_LETTERS = 200
Record = Mapping[str, Any]


class Desk:
    """The questions of one case and the answers so far. Safe to use from several threads.

    A record of the journal: {"item", "part", "sample", "answer", "at" (seconds since 1970)} and, where the answer is about
    an object, "object": {"key", "place"} (position in the sample's list; negative: an object that is missing there), where
    something is to change, "labels" and "box", and "of" (the item at which it was said) for an object picked by the reader.
    """

    def __init__(self, case: Case, *, lang: str = "en", sample: int = 200, seed: int = 0) -> None:
        if not (case.folder / "catalog.parquet").is_file():
            raise SnellenError(
                f"{case.folder} is not a case (there is no catalog.parquet in it); run snellen audit first and give its folder"
            )
        self.case, self.words = case, Words.load(lang)
        self.catalog = case.catalog
        self.asked: Questions = questions(self.catalog, case.audit, self.words, sample=sample, seed=seed)
        self.journal = store.Journal(case.folder / JOURNAL)
        self._rows = {sample: row for row, sample in enumerate(self.catalog.ids)}
        self._lock = threading.Lock()
        records = self.journal.read()
        self._latest = _latest(records)
        given = {name for record in records for name in record.get("labels", ())}
        known = classes_of(self.catalog)
        self.classes = list(dict.fromkeys([*known, *sorted(given - set(known))]))
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int | None:
        """The place of a class among `classes`; None for a name that is none."""
        if len(self._numbers) != len(self.classes):
            self._numbers = {name: number for number, name in enumerate(self.classes)}
        return self._numbers.get(name)

    def row(self, sample: str) -> dict[str, Any]:
        """The catalog's row of a sample: the columns that the page needs, those that are there."""
        names = ("id", "root", "path", "target", "split", "verdict", "objects", "labels", "mask", "pair", "suggested")
        there = [name for name in names if self.catalog.has(name)]
        return dict(self.catalog.table.slice(self._rows[sample], 1).select(there).to_pylist()[0])

    def file(self, sample: str, column: str = "path") -> Path | None:
        """The user's file of a sample by catalog id; None where the catalog knows of none. No path ever comes from outside."""
        row = self._rows.get(sample)
        if row is None or not self.catalog.has(column):
            return None
        root, path = (self.catalog.table.column(name)[row].as_py() for name in ("root", column))
        return Path(root) / path if path else None

    def answers(self) -> list[str]:
        """The answer given to each item in order; empty where none was."""
        with self._lock:
            return [str(self._latest.get(item.name, {}).get("answer", "")) for item in self.asked.items]

    def answered(self, item: Item) -> Record | None:
        """The latest answer to this item."""
        with self._lock:
            return self._latest.get(item.name)

    def before(self, item: Item) -> Record | None:
        """What was last said of the same sample (or the same object of it) where another item asked; a skip says nothing."""
        with self._lock:
            said = [
                record
                for name, record in self._latest.items()
                if name != item.name and record["sample"] == item.sample and record["answer"] != "skip"
            ]
        about = [r for r in said if (r.get("object") or {}).get("key") == item.key]
        return max(about, key=lambda record: float(record["at"]), default=None)

    def said_of_objects(self, item: Item) -> list[Record]:
        """Latest answers about single objects of the sample, given at this item."""
        with self._lock:
            return [record for record in self._latest.values() if record.get("of") == item.name]

    def add(
        self, item: Item, answer: str, *, obj: Mapping[str, Any] | None, labels: Sequence[str] | None,
        box: Sequence[float] | None, aside: bool,
    ) -> None:  # fmt: skip
        """Store one answer. `aside`: it is about another object than the one in question and leaves the item open."""
        name = f"{item.name}@{obj['key']}#{obj['place']}" if aside and obj else item.name
        record: dict[str, Any] = {
            "item": name, "part": self.asked.parts[item.part].name, "sample": item.sample, "answer": answer,
            "at": round(time.time(), 3),
        }  # fmt: skip
        record |= {"of": item.name} if name != item.name else {}
        record |= {"object": dict(obj)} if obj else {}
        record |= {} if labels is None else {"labels": list(labels)}
        record |= {"box": list(box)} if box else {}
        with self._lock:
            self.journal.append(record)
            self._latest.pop(name, None)
            self._latest[name] = record
            self.classes += [label for label in labels or () if label not in self.classes]

    def estimate(self) -> dict[str, Any]:
        """Share of wrong labels or annotations among the random samples that were judged, with Wilson's 95 % interval."""
        part = self.asked.parts[0]
        with self._lock:
            aside = {record.get("of") for record in self._latest.values() if record["answer"] in _ERRORS}
            judged = [
                (item.name in aside) or self._latest[item.name]["answer"] in _ERRORS
                for item in self.asked.items[: part.count]
                if self._latest.get(item.name, {}).get("answer", "skip") != "skip"
            ]
        wrong, n = sum(judged), len(judged)
        low, high = wilson(wrong, n)
        return {"n": n, "wrong": wrong, "share": wrong / n if n else None, "low": low, "high": high}


_ERRORS = ("wrong", "relabel", "accept")


def _latest(records: Sequence[Record]) -> dict[str, Record]:
    """The latest answer by item, in the order in which they were given."""
    found: dict[str, Record] = {}
    for record in records:
        found.pop(str(record["item"]), None)
        found[str(record["item"])] = record
    return found


def classes_of(catalog: Catalog) -> list[str]:
    """The names that a label may have: those that reading wrote, else all that occur."""
    known = catalog.about("classes")
    if isinstance(known, dict):
        return [str(name) for name in known.values()]
    if isinstance(known, list) and known:
        return [str(name) for name in known]
    found = set(catalog.column("target").astype(str).tolist())
    if catalog.has("objects"):
        found |= set(Objects.of(catalog).label.tolist())
    if catalog.has("labels"):
        found |= {name for labels in catalog.table.column("labels").to_pylist() for name in labels or ()}
    return sorted(found - {""})
