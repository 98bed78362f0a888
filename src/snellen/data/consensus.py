"""Consensus: one catalog of what annotators agree on and what the arbiter decided."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snellen.annotations import objects_column
from snellen.catalog import Catalog
from snellen.data._units import Unit
from snellen.data.agreement import Agreement
from snellen.data.arbitration import Decision, names_of
from snellen.values import SnellenError

UNDECIDED = "disputed, not decided"


def consensus(agreement: Agreement, catalogs: Sequence[Catalog], decisions: Mapping[str, Decision]) -> Catalog:
    """The first catalog's compared samples with the labels that all agree on, and the arbiter's where they do not.

    A box is the mean of the annotators' boxes, keypoints the mean of those that all see; outlines and run lengths are the
    first annotator's, since lines have no mean. What is disputed and not decided stays, marked: an object with a problem, a
    whole sample with a verdict. `catalogs` are those that were compared, in their order.
    """
    if [len(agreement.annotators)] != [len(catalogs)]:
        raise SnellenError(f"{len(agreement.annotators)} annotators were compared, {len(catalogs)} catalogs are given")
    first = catalogs[0].take(agreement.rows[:, 0])
    names = {id(unit): name for name, unit in names_of(agreement).items()}
    units: dict[int, list[tuple[Unit, Decision | None]]] = {}
    for unit in agreement.units:
        settled = Decision(of=0) if id(unit) not in names else decisions.get(names[id(unit)])
        units.setdefault(unit.image, []).append((unit, settled))
    build = {"classification": _targets, "multilabel": _labels, "segmentation": _masks}.get(agreement.task, _objects)
    return build(agreement, first, catalogs, units).drop_columns(["disputed"])


Settled = Mapping[int, list[tuple[Unit, Decision | None]]]


def _label(unit: Unit, decision: Decision) -> str:
    """The label that was decided on; empty where nothing is there."""
    mark = unit.marks[decision.of] if decision.of is not None else None
    return mark.label if mark is not None else decision.label


def _verdicts(catalog: Catalog, units: Settled) -> list[str]:
    old = catalog.column("verdict").tolist()
    return [UNDECIDED if any(d is None for _, d in units.get(row, ())) else verdict for row, verdict in enumerate(old)]


def _targets(agreement: Agreement, first: Catalog, catalogs: Sequence[Catalog], units: Settled) -> Catalog:
    targets = first.column("target").tolist()
    verdicts = _verdicts(first, units)
    for row, items in units.items():
        unit, decision = items[0]
        if decision is not None:
            targets[row] = _label(unit, decision)
            verdicts[row] = verdicts[row] if targets[row] else "no label"
    return first.with_columns({"target": targets, "verdict": verdicts})


def _labels(agreement: Agreement, first: Catalog, catalogs: Sequence[Catalog], units: Settled) -> Catalog:
    found: list[list[str]] = [[] for _ in range(len(first))]
    for row, items in units.items():
        given = {_label(unit, decision) for unit, decision in items if decision is not None} - {""}
        found[row] = sorted(given)
    return first.with_columns({"labels": found, "verdict": _verdicts(first, units)})


def _masks(agreement: Agreement, first: Catalog, catalogs: Sequence[Catalog], units: Settled) -> Catalog:
    """A mask is one annotator's whole: decisions on several of its classes must name the same one."""
    masks = first.table.column("mask").to_pylist()
    for row, items in units.items():
        disputed = [decision for unit, decision in items if unit.conflict(agreement.loose) and decision is not None]
        chosen = {decision.of for decision in disputed}
        if None in chosen or len(chosen) > 1:
            raise SnellenError(
                f"{agreement.paths[row]}: the decisions on its classes name no annotator, or different ones; a mask is "
                "taken whole, so name the one whose mask is to be used on every line of this image"
            )
        for place in chosen:
            masks[row] = _mask(catalogs[place or 0], agreement.rows[row, place or 0], first, row)
    return first.with_columns({"mask": masks, "verdict": _verdicts(first, units)})


def _mask(catalog: Catalog, row: int, first: Catalog, here: int) -> str:
    """The path of a mask, relative to the root of the first annotator's sample."""
    path = Path(catalog.column("root")[row]) / str(catalog.table.column("mask")[int(row)].as_py())
    return Path(os.path.relpath(path, first.column("root")[here])).as_posix()


def _objects(agreement: Agreement, first: Catalog, catalogs: Sequence[Catalog], units: Settled) -> Catalog:
    columns = [catalog.table.column("objects") for catalog in catalogs]
    found: list[list[dict[str, Any]]] = []
    for row in range(len(first)):
        drawn = [column[int(place)].as_py() or [] for column, place in zip(columns, agreement.rows[row], strict=True)]
        settled = (_object(unit, decision, drawn, agreement.loose) for unit, decision in units.get(row, ()))
        kept = [item for item in settled if item is not None]
        # What was not compared (problems, crowds) stays as the first annotator gave it.
        taken = {mark.place for unit, _ in units.get(row, ()) if (mark := unit.marks[0]) is not None}
        found.append(kept + [item for place, item in enumerate(drawn[0]) if place not in taken])
    stale = [name for name in first.table.column_names if name.startswith("object_")]
    return first.drop_columns(stale).with_columns({"objects": objects_column(found)})


def _object(
    unit: Unit, decision: Decision | None, drawn: list[list[dict[str, Any]]], loose: float
) -> dict[str, Any] | None:
    """The object that a unit becomes; None where nothing is there."""
    versions = [None if mark is None else drawn[who][mark.place] for who, mark in enumerate(unit.marks)]
    there = [item for item in versions if item is not None]
    if decision is None:
        return {**there[0], "problem": UNDECIDED}
    if decision.label:
        plain = {"key": there[0]["key"], "label": decision.label}
        return {
            **(plain if decision.box else there[0]),
            **plain,
            **({"box": list(decision.box)} if decision.box else {}),
        }
    if decision.of is None or versions[decision.of] is None:
        return None
    chosen = dict(versions[decision.of] or {})
    if not unit.conflict(loose):
        chosen["box"] = np.mean([item["box"] for item in there], axis=0).tolist()
        chosen["keypoints"] = _mean_points([item["keypoints"] or [] for item in there])
    return chosen


def _mean_points(given: list[list[float]]) -> list[float]:
    """Mean place of every point that all annotators see; the first annotator's where they do not."""
    points = [np.asarray(item, dtype=float).reshape(-1, 3) for item in given]
    if len({len(item) for item in points}) > 1 or not len(points[0]):
        return list(given[0])
    seen = np.all([item[:, 2] > 0 for item in points], axis=0)
    found = points[0].copy()
    found[seen, :2] = np.mean([item[seen, :2] for item in points], axis=0)
    return found.reshape(-1).tolist()
