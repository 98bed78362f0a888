"""A/A: does the proof adopt what is no remedy at all? Recorded runs of one recipe are compared with each other.

In each repetition 2 S distinct runs are drawn into two arms and the samples are drawn anew with replacement (the
validation set might have been another one); the arms then pass the very looks and the very decision of a real trial.
What is adopted is adopted falsely.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from snellen.improve.decide import Outcome, coverage, decide
from snellen.improve.pair import pair
from snellen.rows import Rows
from snellen.tasks._intervals import wilson
from snellen.values import SnellenError


def look_through(
    baseline: Sequence[Rows],
    candidate: Sequence[Rows],
    *,
    metric: str,
    alpha: float = 0.05,
    looks: int | None = None,
    margin: float = 0.01,
) -> tuple[Outcome, int]:
    """Outcome and seeds used, when two recorded arms are looked at with 2 seeds, then 3, up to all of them.

    `looks`: number of looks that share the budget (None: those made here; more, where other remedies share it).
    """
    made = len(baseline) - 1
    planned = made if looks is None else looks
    if made < 1 or planned < made:
        raise SnellenError(
            f"{len(baseline)} seeds make {made} looks (at 2, 3, … seeds) and {planned} are planned; plan as many"
        )
    outcome: Outcome = "continue"
    for seeds in range(2, len(baseline) + 1):
        look, last = seeds - 1, seeds == len(baseline)
        level = coverage(alpha, planned, look=look, last=last)
        effect = pair(baseline[:seeds], candidate[:seeds], metric=metric, level=level)
        outcome, _ = decide(effect, None, alpha=alpha, planned_looks=planned, look=look, last=last, margin=margin)
        if outcome != "continue":
            return outcome, seeds
    return outcome, len(baseline)


def false_adoptions(
    runs: Sequence[Rows],
    *,
    repetitions: int = 200,
    seed: int = 0,
    metric: str = "accuracy",
    alpha: float = 0.05,
    seeds: int = 3,
    looks: int | None = None,
    margin: float = 0.01,
) -> tuple[int, int, tuple[float, float]]:
    """Times that one recipe was adopted against itself, repetitions, and the 95 % Wilson interval of the rate.

    `runs` are recorded predictions of one recipe under different seeds on the same samples; `seeds` those of one arm.
    Raises SnellenError where there are fewer than twice as many runs.
    """
    if len(runs) < 2 * seeds:
        raise SnellenError(
            f"two arms of {seeds} seeds need {2 * seeds} recorded runs, got {len(runs)}; record more or lower seeds"
        )
    random = np.random.default_rng(seed)
    runs = [_aligned(rows, runs[0]) for rows in runs]
    adopted = 0
    for _ in range(repetitions):
        rows = random.integers(len(runs[0].ids), size=len(runs[0].ids))
        arms = [_drawn(runs[place], rows) for place in random.permutation(len(runs))[: 2 * seeds]]
        outcome, _ = look_through(arms[:seeds], arms[seeds:], metric=metric, alpha=alpha, looks=looks, margin=margin)
        adopted += outcome == "adopt"
    return adopted, repetitions, wilson(adopted, repetitions)


def _aligned(rows: Rows, reference: Rows) -> Rows:
    place = {sample: row for row, sample in enumerate(rows.ids)}
    if set(place) != set(reference.ids):
        raise SnellenError("the recorded runs were evaluated on different samples; record them on one catalog")
    return rows.take(np.asarray([place[sample] for sample in reference.ids]))


def _drawn(rows: Rows, chosen: np.ndarray) -> Rows:
    # A sample drawn twice is two samples of the imagined validation set: ids are new.
    return rows.take(chosen, tuple(f"draw{place}" for place in range(len(chosen))))
