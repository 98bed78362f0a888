"""Decisions of a review → a corrected catalog. The user's files are not touched, and the catalog that was reviewed stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from snellen.catalog import OK, Catalog
from snellen.data.formats.placed import NO_LABEL
from snellen.values import SnellenError

Decision = Mapping[str, Any]
# Measured of the label that a sample had: no longer true where it was changed.
OF_LABEL = {"label_quality": float("nan"), "suggested": ""}
KINDS = ("relabelled", "dropped", "objects_removed", "objects_relabelled", "objects_moved", "objects_added", "refused")


@dataclass(slots=True)
class _Sheet:
    """What changes: new values by column and row, rows that go, and the list of changes by kind."""

    columns: dict[str, dict[int, Any]] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    told: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def put(self, column: str, row: int, value: Any) -> None:
        self.columns.setdefault(column, {})[row] = value


def standing(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions that count, oldest first.

    A later answer to the same item replaces the earlier one, and a skip takes it back. Of what different items said of the
    same sample, or of the same object of it, the latest counts. Raises SnellenError for a record that is no decision.
    """
    by_item: dict[str, Decision] = {}
    for decision in decisions:
        if not {"item", "sample", "answer"} <= set(decision):
            raise SnellenError(
                f"{dict(decision)} is no decision of a review; give the review.jsonl that snellen review wrote"
            )
        by_item.pop(str(decision["item"]), None)
        by_item[str(decision["item"])] = decision
    by_subject: dict[tuple[str, Any, Any], Decision] = {}
    for decision in by_item.values():
        if decision["answer"] != "skip":
            thing = decision.get("object") or {}
            subject = (str(decision["sample"]), thing.get("key"), thing.get("place"))
            by_subject.pop(subject, None)
            by_subject[subject] = decision
    return list(by_subject.values())


def apply_review(catalog: Catalog, decisions: Iterable[Decision]) -> tuple[Catalog, dict[str, list[dict[str, Any]]]]:
    """The catalog with the decisions carried out, and what changed by kind (KINDS), each entry with sample and path.

    `decisions` are the records of review.jsonl. Wrong drops the sample, or takes its object out; relabel and accept set the
    labels and the box that they carry; right changes nothing. A decision about a sample or an object that the catalog does
    not have is listed under `refused`, with the reason, and not carried out. Pure: reads and writes no file.
    """
    ids = catalog.ids
    rows = {sample: row for row, sample in enumerate(ids)}
    paths = catalog.table.column("path").to_pylist()
    sheet, objects = _Sheet(), dict[int, list[tuple[int, Decision]]]()
    for decision in standing(decisions):
        sample, answer = str(decision["sample"]), decision["answer"]
        about = {"sample": sample, "path": paths[rows[sample]] if sample in rows else ""}
        thing = decision.get("object")
        if sample not in rows:
            sheet.told["refused"].append({**about, "why": "the catalog has no such sample"})
        elif thing is None or (answer == "wrong" and thing["place"] < 0):
            _whole(catalog, sheet, rows[sample], about, decision)
        elif answer != "right":
            objects.setdefault(rows[sample], []).append((int(thing["place"]), decision))
    for row, changes in objects.items():
        if row not in sheet.dropped:
            _objects(catalog, sheet, row, {"sample": ids[row], "path": paths[row]}, changes)
    return _written(catalog, sheet), sheet.told


def _whole(catalog: Catalog, sheet: _Sheet, row: int, about: dict[str, Any], decision: Decision) -> None:
    """A decision about a sample as a whole."""
    if decision["answer"] == "wrong":
        sheet.dropped.add(row)
        sheet.told["dropped"].append(about)
    elif decision["answer"] in ("relabel", "accept"):
        labels = [str(label) for label in decision.get("labels", ())]
        if catalog.task == "multilabel":
            before: Any = catalog.table.column("labels")[row].as_py()
            after: Any = labels
        elif catalog.task == "classification" and len(labels) == 1:
            before, after = catalog.table.column("target")[row].as_py(), labels[0]
        else:
            sheet.told["refused"].append({**about, "why": f"{labels} is no label of a sample of a {catalog.task} task"})
            return
        if before != after:
            sheet.put("labels" if catalog.task == "multilabel" else "target", row, after)
            sheet.told["relabelled"].append({**about, "from": before, "to": after})
            if after and catalog.table.column("verdict")[row].as_py() == NO_LABEL:
                sheet.put("verdict", row, OK)
            for name in filter(catalog.has, OF_LABEL):
                sheet.put(name, row, OF_LABEL[name])


def _objects(
    catalog: Catalog, sheet: _Sheet, row: int, about: dict[str, Any], changes: Sequence[tuple[int, Decision]]
) -> None:
    """Decisions about single objects of one sample; the measured values beside them go along."""
    found = (catalog.table.column("objects")[row].as_py() or []) if catalog.has("objects") else []
    kept: dict[int, dict[str, Any] | None] = dict(enumerate(found))
    stale, added = set(), []
    for place, decision in changes:
        key = str(decision["object"]["key"])
        if place < 0:
            added.append(_added(sheet, about, decision))
        elif place >= len(found) or found[place]["key"] != key:
            sheet.told["refused"].append({**about, "why": f"the sample has no object {key!r} at place {place}"})
        elif decision["answer"] == "wrong":
            kept[place] = None
            sheet.told["objects_removed"].append({**about, "key": key, "label": found[place]["label"]})
        else:
            kept[place] = _changed(sheet, {**about, "key": key}, found[place], decision)
            stale.add(place)
    places = [place for place, obj in kept.items() if obj is not None]
    objects = [*(kept[place] for place in places), *(obj for obj in added if obj)]
    if objects != found:
        sheet.put("objects", row, objects)
        for name in _beside(catalog):
            values = catalog.table.column(name)[row].as_py()
            news = [None if place in stale else values[place] for place in places]
            sheet.put(name, row, news + [None] * (len(objects) - len(places)))


def _beside(catalog: Catalog) -> list[str]:
    schema = catalog.table.schema
    return [name for name in schema.names if name.startswith("object_") and pa.types.is_list(schema.field(name).type)]


def _changed(sheet: _Sheet, about: dict[str, Any], found: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    """The object with another label, another box, or both; the reason why it could not be used goes with what it was about."""
    labels, box = decision.get("labels"), decision.get("box")
    changed = dict(found)
    if labels and labels[0] != found["label"]:
        changed |= {"label": labels[0], "problem": "" if "class" in found["problem"] else found["problem"]}
        sheet.told["objects_relabelled"].append({**about, "from": found["label"], "to": labels[0]})
    if box:
        changed |= {"box": list(map(float, box)), "problem": changed["problem"] if "class" in found["problem"] else ""}
        sheet.told["objects_moved"].append({**about, "from": list(found["box"]), "to": changed["box"]})
    return changed


def _added(sheet: _Sheet, about: dict[str, Any], decision: Decision) -> dict[str, Any] | None:
    labels, box = decision.get("labels"), decision.get("box")
    if not labels or not box:
        sheet.told["refused"].append({**about, "why": "an object that is added needs a label and a box"})
        return None
    key = str(decision["object"]["key"]) or f"review{decision['object']['place']}"
    made = {"key": key, "label": str(labels[0]), "box": list(map(float, box)), "polygons": [], "rle": ""}
    sheet.told["objects_added"].append({**about, "key": key, "label": made["label"], "box": made["box"]})
    return {**made, "keypoints": [], "crowd": False, "problem": ""}


def _written(catalog: Catalog, sheet: _Sheet) -> Catalog:
    """The sheet carried out on whole columns; only changed rows are built anew."""
    columns = {}
    for name, values in sheet.columns.items():
        column = catalog.table.column(name).combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        order = np.arange(len(catalog))
        order[list(values)] = len(catalog) + np.arange(len(values))
        news = pa.array(list(values.values()), type=column.type)
        columns[name] = pa.concat_arrays([column, news]).take(pa.array(order))
    changed = catalog.with_columns(columns).with_about(_names(catalog, sheet))
    keep = np.ones(len(catalog), dtype=bool)
    keep[list(sheet.dropped)] = False
    return changed.where(keep)


def _names(catalog: Catalog, sheet: _Sheet) -> dict[str, Any]:
    """What the catalog says of itself afterwards: how much a review changed, and classes that are new."""
    about: dict[str, Any] = {"review": {kind: len(told) for kind, told in sheet.told.items()}}
    known = catalog.about("classes")
    if isinstance(known, list):
        given = [item["to"] for kind in ("relabelled", "objects_relabelled") for item in sheet.told[kind]]
        given += [item["label"] for item in sheet.told["objects_added"]]
        names = [name for item in given for name in (item if isinstance(item, list) else [item])]
        about["classes"] = list(dict.fromkeys([*known, *names]))
    return about
