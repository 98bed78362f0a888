"""The bill of an arm: what its trainings took with their set-up, so that each arm can be given as much as healing took.

In seconds of the processor: those of the clock also hold what other programs did. What a training took is written beside its run,
once. An arm that asks for a run which another arm has trained is billed for it all the same, and one that was stopped goes on where
it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from snellen import store
from snellen.improve.lab import Lab
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.store import Journal

# No training counts less than this share of the arm's first: setting one up costs something also where features lie in a cache or
# numbers overflow at the first step, and a bill that was lost in a crash must not make one free.
LEAST = 0.1
# Neither of the other arms trains more often. What healing took may hold a hundred trainings of a recipe that trains a head alone.
MOST = 20

clock = time.process_time


class Besides:
    """Seconds between an arm's trainings: screening, rules, decisions. Written down before each training, so that little of it is
    lost where the arm is stopped."""

    def __init__(self, path: Path) -> None:
        self._journal, self._since = Journal(path), clock()

    def note(self) -> None:
        """Write down what has passed."""
        before, self._since = self._since, clock()
        self._journal.append({"seconds": round(self._since - before, 3)})

    def go_on(self) -> None:
        """Count from now on: what has passed was a training, which has a bill of its own."""
        self._since = clock()

    @property
    def seconds(self) -> float:
        """All that was written down, by what was stopped before too."""
        return float(sum(item["seconds"] for item in self._journal.read()))


@dataclass(frozen=True, slots=True)
class Billed(Lab):
    """The laboratory of one arm. `asked`: seconds of every training that this arm asked for, in order, by the run's folder, whichever
    arm trained it; what other arms have left in the folder of runs is not among them."""

    asked: dict[str, float] = field(default_factory=dict)
    besides: Besides | None = None

    def trained(self, recipe: Recipe, seed: int, *, title: str = "") -> Run:
        """The run, and what it took on the bill."""
        if self.besides is not None:
            self.besides.note()
        place = self.case.run(recipe.id, seed).folder
        begun, start, bill = (place / "recipe.yaml").is_file(), clock(), place / "bill.json"
        run = Lab.trained(self, recipe, seed, title=title)
        if not bill.is_file():
            # Of a training that was stopped only the rest was seen here; its checkpoint knows what its epochs took on the clock.
            known = float(run.cost["seconds"]) if begun else 0.0
            store.write_json(bill, {"seconds": round(max(clock() - start, known), 3)})
        self.asked[place.name] = float(store.read_json(bill)["seconds"])
        if self.besides is not None:
            self.besides.go_on()
        return run

    @property
    def spent(self) -> float:
        """Seconds of all trainings of this arm, none below LEAST of the first."""
        first = next(iter(self.asked.values()), 0.0)
        return sum(max(one, LEAST * first) for one in self.asked.values())

    def fits(self, allowed: float) -> bool:
        """Whether half of one more training like those so far can be paid for."""
        return self.spent * (1 + 0.5 / len(self.asked)) <= allowed


def further(lab: Billed, wanted: Iterable[tuple[Recipe, int]], allowed: float) -> list[Run]:
    """Trainings of recipes and seeds in their order: the first always, others while they can be paid for, MOST at the most."""
    tried: list[Run] = []
    for recipe, seed in islice(wanted, MOST):
        if tried and not lab.fits(allowed):
            break
        tried.append(lab.trained(recipe, seed))
    return tried


def billed(lab: Billed, tried: int, allowed: float) -> dict[str, Any]:
    """What an arm took of what it was allowed, and whether it was MOST that ended it."""
    return {
        "runs": tried, "seconds": round(lab.spent, 2), "allowed": round(allowed, 2), "most": MOST,
        "capped": tried >= MOST and lab.fits(allowed),
    }  # fmt: skip
