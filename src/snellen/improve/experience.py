"""Experience: what remedies brought in the trials of earlier cases on this machine, and which of them are worth trying first.

Only the order is learnt. Whether a remedy is adopted is decided by this case's trial alone, so that the error budget does not
depend on what was seen elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from snellen.store import Journal
from snellen.values import Verdict

# How often one in three is believed before anything was tried, and how often a remedy must have been tried to change its place.
PRIOR, WEIGHT, LEAST = 1 / 3, 3, 3

Promise = Callable[[str, str], float]


def learn(path: Path, verdict: Verdict, *, task: str, cost: float) -> None:
    """Append what a trial showed; `cost`: one training with the remedy as a multiple of one without. Screened and untried
    remedies teach nothing: no arm was trained."""
    if verdict.stage != "confirm" or not verdict.seeds:
        return
    names = ("remedy", "finding", "metric", "effect", "low", "high", "decision", "seeds", "samples")
    Journal(path).append({"task": task, "cost": cost, **{name: getattr(verdict, name) for name in names}})


def remembered(path: Path | None, task: str) -> dict[str, dict[str, float]]:
    """ "finding remedy" → how often it was tried, how often adopted, and its mean cost, in the trials of one task."""
    rows = [row for row in Journal(path).read() if row["task"] == task] if path is not None else []
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        seen = found.setdefault(f"{row['finding']} {row['remedy']}", {"tried": 0, "adopted": 0, "cost": 0.0})
        seen["cost"] = (seen["cost"] * seen["tried"] + float(row["cost"])) / (seen["tried"] + 1)
        seen["tried"] += 1
        seen["adopted"] += row["decision"] == "adopt"
    return found


def promise(known: Mapping[str, Mapping[str, float]]) -> Promise:
    """(finding, remedy) → the chance that it is adopted, per cost, as a multiple of that of a remedy nobody knows; 1 for what
    was tried less than three times. A Beta prior keeps a lucky beginning from deciding (Laplace's rule of succession)."""

    def told(finding: str, remedy: str) -> float:
        seen = known.get(f"{finding} {remedy}")
        if seen is None or seen["tried"] < LEAST:
            return 1.0
        chance = (seen["adopted"] + PRIOR * WEIGHT) / (seen["tried"] + WEIGHT)
        return chance / PRIOR / max(seen["cost"], 0.1)

    return told
