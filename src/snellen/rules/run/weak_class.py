"""What it does
Finds classes whose recall on validation stays 20 points below the mean recall over the last epochs, by more than
chance: with the class's few images, so few right answers must be improbable at the mean recall (exact binomial test,
divided among the classes that were looked at).

Why it matters
A good mean hides a class that the model does not know. Balanced sampling or more of its images help that class.

Known problems
A class that is hard by nature, or whose labels are wrong, looks the same. With fewer than three validation images no
class can be shown to be weak.

Source
SPEC S2; exact binomial test with Bonferroni's correction (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import binom

from snellen.rules.curves import sample_losses, stored
from snellen.run import Run
from snellen.values import Finding

READS = ("recall",)


def weak_class(
    run: Run, *, below: float = 0.2, epochs: int = 3, chance: float = 0.05, above_guessing: float = 0.25
) -> list[Finding]:
    """Find weak classes, worst first; `samples` are the class's wrong validation images, most sure first.

    `below`: distance to the mean recall (0..1) in each of the last `epochs` epochs. `chance`: probability of any false
    finding. `above_guessing`: share of the way from guessing to perfect that the mean must have made, because below it
    the classes differ by accident.
    """
    records = run.signals("recall")[-epochs:]
    names = list(records[-1]["values"])
    floor = 1 / len(names)
    if _mean(records[-1]) < floor + above_guessing * (1 - floor):
        return []
    found = []
    for name in names:
        recall = max(record["values"][name] for record in records)
        n = int(records[-1]["counts"][name])
        # The class's best of the epochs against the lowest mean of them: "stays" below.
        mean = min(_mean(record) for record in records)
        p = float(binom.cdf(round(recall * n), n, mean)) if n else 1.0
        low = all(record["values"][name] < _mean(record) - below for record in records)
        if low and p < chance / len(names):
            found.append((recall, _finding(run, name, records[-1], p, below)))
    return [finding for _, finding in sorted(found, key=lambda item: item[0])]


def _mean(record: Mapping[str, Any]) -> float:
    """Mean recall over the classes that have validation images."""
    known = [value for name, value in record["values"].items() if record["counts"][name]]
    return float(np.mean(known)) if known else 0.0


def _finding(run: Run, name: str, record: Mapping[str, Any], p: float, below: float) -> Finding:
    recall, mean, n = float(record["values"][name]), _mean(record), int(record["counts"][name])
    train = run.catalog.usable().of("train").counts()
    others = [count for other, count in train.items() if other != name]
    evidence = {
        "class": name,
        "recall": recall,
        "mean": mean,
        "n": n,
        "below": mean - recall,
        "limit": below,
        "excess": (mean - recall) / below,
        "p": p,
        "train_count": train.get(name, 0),
        "train_median": float(np.median(others)) if others else 0.0,
    }
    message = (
        f"Class {name!r} stays weak: recall {recall:.1%} of {n} validation images against a mean of {mean:.1%} "
        f"(chance of this at the mean recall: {p:.2g}); it has {evidence['train_count']} training images."
    )
    return Finding(rule="weak_class", severity="warn", message=message, evidence=evidence, samples=_wrong(run, name))


def _wrong(run: Run, name: str) -> tuple[str, ...]:
    rows = stored(run, "val")
    if rows is None or name not in rows.classes:
        return ()
    wrong = np.flatnonzero((rows.targets == rows.classes.index(name)) & ~rows.correct)
    return tuple(rows.ids[row] for row in wrong[np.argsort(-sample_losses(rows)[wrong], kind="stable")])


def _epochs(values: dict[str, float], counts: dict[str, int], epochs: int = 3) -> list[dict[str, object]]:
    return [{"meter": "recall", "stage": "all", "values": values, "counts": counts}] * epochs


FIRES = (
    {"signals": _epochs({"a": 0.95, "b": 0.92, "c": 0.4}, {"a": 20, "b": 25, "c": 20})},
    {"signals": _epochs({"a": 0.98, "b": 0.5}, {"a": 60, "b": 40}, epochs=1)},
    # Six images are enough where nearly all are wrong.
    {
        "signals": _epochs({"a": 0.95, "b": 0.95, "c": 0.95, "rare": 1 / 6}, {"a": 20, "b": 20, "c": 20, "rare": 6}),
        "catalog": {
            "target": ["a"] * 9 + ["b"] * 9 + ["c"] * 9 + ["rare"] * 2,
        },
    },
    # Two weak classes of six, in two stages.
    {
        "signals": [
            {
                "meter": "recall",
                "stage": stage,
                "values": {"a": 0.9, "b": 0.9, "c": 0.95, "d": 1.0, "e": 0.35, "f": 0.3},
                "counts": dict.fromkeys("abcdef", 30),
            }
            for stage in ("head", "last", "all")
        ]
    },
)
SILENT = (
    {"signals": _epochs({"a": 0.95, "b": 0.9, "c": 0.8}, {"a": 20, "b": 25, "c": 20})},
    # Three of six right can be chance.
    {"signals": _epochs({"a": 0.95, "b": 0.95, "c": 0.95, "d": 0.5}, {"a": 20, "b": 20, "c": 20, "d": 6})},
    # One of one wrong, and a class without validation images.
    {"signals": _epochs({"a": 0.95, "b": 0.95, "c": 0.0, "d": 0.0}, {"a": 30, "b": 30, "c": 1, "d": 0})},
    # It was weak and recovered.
    {
        "signals": [
            *_epochs({"a": 0.9, "b": 0.2}, {"a": 40, "b": 40}, epochs=2),
            *_epochs({"a": 0.9, "b": 0.85}, {"a": 40, "b": 40}, epochs=1),
        ]
    },
    # The model guesses one class: nothing is known of the others.
    {"signals": _epochs({"a": 1.0, "b": 0.0, "c": 0.0, "d": 0.05}, dict.fromkeys("abcd", 30))},
)
