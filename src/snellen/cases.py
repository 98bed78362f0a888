"""What a case of a rule describes, made real: a catalog, or a finished Run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from snellen.annotations import objects_column
from snellen.catalog import Catalog
from snellen.recipe import Recipe
from snellen.rows import Predictions, Statistics
from snellen.run import Run
from snellen.shelf import TASKS

Case = Mapping[str, Any]


def catalog_of(case: Case) -> Catalog:
    """The catalog of a case; columns left out get defaults: id s0…, target "", split "train".

    `objects` is a list of dicts for every sample (see `snellen.annotations`), `object_<what>` a list of values for every
    sample; "about" holds facts on the whole catalog. Without a "catalog" it is made of the case's predictions, with three
    training images of every class that is named.
    """
    columns = dict(case.get("catalog") or {})
    if "catalog" not in case:
        return Catalog.of_rows(_implied_rows(case))
    objects = columns.pop("objects", None)
    n = len(next(iter(columns.values()), objects or ()))
    rows: list[dict[str, Any]] = [{"id": f"s{i}", "split": "train", "path": f"s{i}.jpg"} for i in range(n)]
    for name, values in columns.items():
        assert len(values) == n, f"the case's column {name!r} has {len(values)} values, the first has {n}"
        for row, value in zip(rows, values, strict=True):
            row[name] = value
    catalog = Catalog.of_rows(rows).with_about(case.get("about", {}))
    return catalog if objects is None else catalog.with_columns({"objects": objects_column(objects)})


def _implied_rows(case: Case) -> list[dict[str, Any]]:
    names: list[str] = []
    rows: list[dict[str, Any]] = []
    for split, given in case.get("predictions", {}).items():
        names.extend(given["classes"])
        rows.extend(
            {"id": f"{split}{i}", "path": f"{split}{i}.jpg", "split": split, "target": given["classes"][target]}
            for i, target in enumerate(given["targets"])
        )
    names.extend(name for record in case.get("signals", ()) for name in record.get("values", ()))
    for name in dict.fromkeys(names or ["a", "b"]):
        rows.extend(
            {"id": f"train-{name}{i}", "path": f"{name}{i}.jpg", "split": "train", "target": name} for i in range(3)
        )
    return rows


def recipe_of(case: Case) -> Recipe:
    """The recipe of a case: its changes to the default one, with the defaults of the task that they name."""
    changes = case.get("recipe", {})
    recipe = Recipe().change(changes)
    defaults: Mapping[str, Any] = (TASKS.constant(recipe.task, "RECIPE") or {}) if "task" in changes else {}
    return recipe.change({key: value for key, value in defaults.items() if key not in changes})


def recorded(case: Case, folder: Path) -> Run:
    """A real, finished Run folder made of a case's signals, recipe changes, predictions or statistics, catalog and cost.

    Records that name no stage, epoch or step get "all", the meter's count, and ten steps an epoch.
    """
    catalog = catalog_of(case)
    recipe = recipe_of(case)
    run = Run.create(folder, recipe, catalog, {"python": "case", **case.get("environment", {})})
    seen: dict[str, int] = {}
    for record in case.get("signals", ()):
        meter = record["meter"]
        seen[meter] = seen.get(meter, 0) + 1
        filled = {"stage": "all", "epoch": seen[meter], "step": 10 * seen[meter], **record}
        run.record(meter, {key: value for key, value in filled.items() if key != "meter"})
    for split, given in case.get("predictions", {}).items():
        run.write_predictions(split, _rows(catalog, split, given))
    for split, given in case.get("statistics", {}).items():
        run.write_predictions(split, _statistics(recipe.task, given))
    run.finish({"seconds": 1.0, "epochs": max(seen.values(), default=0), **case.get("cost", {})})
    return run


def _rows(catalog: Catalog, split: str, given: Mapping[str, Any]) -> Predictions:
    ids = catalog.of(split).ids
    assert len(ids) == len(given["targets"]), f"the case's catalog has {len(ids)} {split} rows, its predictions differ"
    return Predictions(
        ids=ids,
        targets=np.asarray(given["targets"], dtype=np.int64),
        probabilities=np.asarray(given["probabilities"], dtype=np.float32),
        classes=tuple(given["classes"]),
    )


def _statistics(task: str, given: Mapping[str, Any]) -> Statistics:
    """ "columns" holds lists by name, "classes" and "fixed" names; ids are s0, s1, …"""
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in given["columns"].items()}
    ids = tuple(f"s{place}" for place in range(len(next(iter(columns.values())))))
    return Statistics(task, ids, columns, tuple(given.get("classes", ())), tuple(given.get("fixed", ())))
