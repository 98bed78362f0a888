"""Do annotators agree? Two or more annotations of the same images are compared, and what they dispute is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snellen.catalog import Catalog
from snellen.data._account import account
from snellen.data._units import Unit, paired, units_of
from snellen.values import SnellenError

# How many disputes travel with the catalog; all of them stand in the arbitration file.
MOST_TOLD = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What was compared and what came out.

    `rows` [n, annotators]: the catalogs' rows of every sample that all have; `units`: all that was compared, in order of
    samples; `samples`: ids of the first catalog; `summary`: rates, kappas and conflicts as JSON holds them.
    """

    task: str
    annotators: tuple[str, ...]
    loose: float
    rows: np.ndarray
    samples: tuple[str, ...]
    paths: tuple[str, ...]
    units: tuple[Unit, ...]
    summary: Mapping[str, Any]

    @property
    def disputes(self) -> tuple[Unit, ...]:
        """The units in conflict; samples with most and worst of them first."""
        return worst_first(self.units, self.loose)

    def marked(self, catalog: Catalog) -> Catalog:
        """The first annotator's catalog with the column `disputed` (number of disputes, 0 where none) and the summary."""
        counts = dict.fromkeys(self.samples, 0)
        for unit in self.disputes:
            counts[self.samples[unit.image]] += 1
        column = np.asarray([counts.get(name, 0) for name in catalog.ids], dtype=np.int64)
        return catalog.with_columns({"disputed": column}).with_about({"agreement": dict(self.summary)})


def compare(
    one: Catalog,
    other: Catalog,
    *others: Catalog,
    iou: float = 0.5,
    loose: float = 0.7,
    limit: float = 0.05,
    sigma: float = 0.05,
    names: Sequence[str] = (),
    seed: int = 0,
) -> Agreement:
    """Compare annotations of the same samples, paired by content, else by path.

    Boxes are one object where their IoU is at least `iou` (masks: the IoU of their pixels; keypoints: OKS with `sigma`, or
    COCO's sigmas for COCO's 17 points). Conflicts: missed by one, another class, loose (one object, but alike by less than
    `loose`). `limit` is the conflict rate that asks for an arbiter. `names` of the annotators: by default the column
    `annotator`, else A, B, …. Raises SnellenError where tasks differ, settings are not shares, or no sample is common.
    """
    catalogs = (one, other, *others)
    _check(catalogs, iou, loose, limit)
    told = tuple(names) or _names(catalogs)
    if len(set(told)) != len(catalogs):
        raise SnellenError(f"annotators are named {', '.join(told)}; expected {len(catalogs)} different names")
    rows, alone = paired(catalogs)
    if not len(rows):
        raise SnellenError(
            "the annotators have no image in common, neither by content nor by path; compare annotations of the same images"
        )
    units, left_out = units_of(catalogs, rows, iou=iou, sigma=sigma)
    ids, paths = np.asarray(one.ids)[rows[:, 0]].tolist(), one.column("path").astype(str)[rows[:, 0]].tolist()
    summary = account(units, told, images=len(rows), task=one.task, loose=loose, seed=seed)
    summary |= {"task": one.task, "annotators": list(told), "iou": iou, "loose": loose, "limit": limit}
    summary |= {"alone": dict(zip(told, alone, strict=True)), "left_out": dict(zip(told, left_out, strict=True))}
    summary["disputes"] = [_told(unit, ids, told, loose) for unit in worst_first(units, loose)[:MOST_TOLD]]
    return Agreement(
        task=one.task, annotators=told, loose=loose, rows=rows, samples=tuple(ids), paths=tuple(paths),
        units=tuple(units), summary=summary,
    )  # fmt: skip


def by_annotator(catalog: Catalog) -> dict[str, Catalog]:
    """A catalog whose column `annotator` names several, as one catalog each, in the order of names."""
    column = catalog.column("annotator").astype(str)
    return {name: catalog.where(column == name) for name in sorted(set(column.tolist()) - {""})}


def worst_first(units: Sequence[Unit], loose: float) -> tuple[Unit, ...]:
    """The disputed ones: samples with most disputes first (a loose object counts by how loose it is), then by severity."""
    weights = [(unit, _weight(unit, loose)) for unit in units if unit.conflict(loose)]
    total: dict[int, float] = {}
    for unit, weight in weights:
        total[unit.image] = total.get(unit.image, 0.0) + weight
    return tuple(
        unit for unit, weight in sorted(weights, key=lambda item: (-total[item[0].image], item[0].image, -item[1]))
    )


def _weight(unit: Unit, loose: float) -> float:
    return 1 - unit.likeness if unit.conflict(loose) == "loose" else 1.0


def _told(unit: Unit, ids: Sequence[str], names: Sequence[str], loose: float) -> dict[str, Any]:
    """A dispute as rules and pages read it: the object of the first annotator who has it."""
    mark = next(item for item in unit.marks if item is not None)
    labels = {name: None if item is None else item.label for name, item in zip(names, unit.marks, strict=True)}
    found = {"sample": ids[unit.image], "key": mark.key, "what": unit.conflict(loose), "labels": labels}
    return {**found, "likeness": unit.likeness, **({"box": list(mark.box)} if mark.box else {})}


def _check(catalogs: Sequence[Catalog], iou: float, loose: float, limit: float) -> None:
    tasks = sorted({item.task for item in catalogs})
    if len(tasks) > 1:
        raise SnellenError(f"the annotations are for {' and '.join(tasks)}; compare annotations of one task")
    if not (0 < iou <= loose <= 1 and 0 <= limit <= 1):
        raise SnellenError(
            f"iou {iou}, loose {loose}, limit {limit}: expected 0 < iou <= loose <= 1 and 0 <= limit <= 1"
        )


def _names(catalogs: Sequence[Catalog]) -> tuple[str, ...]:
    given = [sorted(set(item.column("annotator").astype(str).tolist()) - {""}) for item in catalogs]
    told = tuple(names[0] for names in given if len(names) == 1)
    plain = tuple(chr(ord("A") + place) if place < 26 else f"annotator {place + 1}" for place in range(len(catalogs)))
    return told if len(set(told)) == len(catalogs) else plain
