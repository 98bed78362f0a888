"""The leak-adjusted score: what is left of a score when the samples that the training split holds too are taken out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from snellen.catalog import Catalog
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.shelf import TASKS


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A metric on all `samples`, and without the `leaked` ones among them (None where it is not defined, or none would be left).
    `learnt`: how many of the leaked ones have a copy that was trained on, not left out."""

    metric: str
    value: float | None
    without: float | None
    samples: int
    leaked: int
    learnt: int


def leak_scores(catalog: Catalog, rows: Mapping[str, Rows], recipe: Recipe) -> dict[str, dict[str, Any]]:
    """For every split with leaked samples what `leak_adjusted` gives, as JSON holds it; empty where nothing leaked.

    `catalog` holds all samples, also those that the recipe drops; `rows` the predictions by split.
    """
    found = {}
    for split, given in rows.items():
        ids = leaked(catalog, split) & set(given.ids)
        if ids:
            learnt = leaked(catalog, split, without=recipe.data.drop)
            found[split] = asdict(leak_adjusted(given, ids, metric=recipe.metric, learnt=learnt))
    return found


def leaked(catalog: Catalog, split: str, *, without: Collection[str] = ()) -> frozenset[str]:
    """Ids of the split's usable samples that are, or nearly are, in the training split too.

    Training samples in `without` do not count. Reads the clusters of duplicates (column `near`); raises MissingSignal
    without them.
    """
    usable = catalog.usable()
    near = usable.column("near")
    splits = usable.column("split").astype(str)
    kept = (splits == "train") & ~np.isin(np.asarray(usable.ids, dtype=str), list(without))
    learnt = np.unique(near[kept & (near >= 0)])
    return frozenset(usable.where((splits == split) & np.isin(near, learnt)).ids)


def leak_adjusted(
    rows: Rows, leaked_ids: Collection[str], *, metric: str = "accuracy", learnt: Collection[str] = ()
) -> Adjusted:
    """The metric, as the task tells it, of all rows and of those that are not leaked; `learnt` are the ids whose copy was
    trained on. None where the metric is not defined on these rows."""
    kept = np.asarray([sample not in leaked_ids for sample in rows.ids], dtype=bool)
    without = _told(rows.take(np.flatnonzero(kept)), metric) if kept.any() else None
    known = len({*leaked_ids} & {*learnt} & {*rows.ids})
    return Adjusted(metric, _told(rows, metric), without, len(rows.ids), int((~kept).sum()), known)


def _told(rows: Rows, metric: str) -> float | None:
    value = TASKS.pick(rows.task)().measure(rows).get(metric, {}).get("value")
    return None if value is None else float(value)
