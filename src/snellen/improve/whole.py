"""Search over whole recipes (SPEC E2): grid, TPE or evenly spread settings, culled by successive halving that resumes checkpoints.

A trial trains to a ninth of the epochs; of those that came so far the best third goes on to a third, and of those the best third to
the end, from where they stopped and with the schedule of the whole training (asynchronous successive halving: Li et al. 2020,
arXiv:1810.05934, algorithm 2). Several processes may work on one study, and any of them may be killed: `improve/study.py`.
Only validation is looked at, never the test split.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from snellen.improve.lab import Lab
from snellen.improve.pair import pair
from snellen.improve.screen import LEVEL
from snellen.improve.search import KEPT, Candidate, Searched, spread
from snellen.improve.spans import Span, grid, usual
from snellen.improve.study import Ended, Study, Trial, proposed, tuner
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.shelf import hint
from snellen.train import checkpoint
from snellen.train.loop import Interrupted
from snellen.values import SnellenError

METHODS = ("tpe", "grid", "spread")
# Seconds between looks at what other processes do, where there is nothing to do but wait for them.
PAUSE = 2.0


def rungs_of(epochs: int) -> tuple[int, ...]:
    """Epochs after which trials are compared; the last is the whole training."""
    return tuple(sorted({max(1, round(epochs / KEPT**power)) for power in (2, 1, 0)}))


def able(method: str) -> None:
    """Raises SnellenError for a method that there is not, or that lacks its library."""
    if method not in METHODS:
        raise SnellenError(f"no method of searching is named {method!r}{hint(method, METHODS)}")
    if method == "tpe":
        tuner()


def search_whole(
    lab: Lab,
    recipe: Recipe,
    *,
    ranges: Mapping[str, Span] | None = None,
    method: str = "tpe",
    count: int = 27,
    seeds: int = 3,
) -> Searched:
    """The best of `count` settings (of a grid: all of its points) and of the recipe's own, which is always trained to the end.

    The best and the own are then trained with further seeds. Raises SnellenError for a method that there is not or a study that
    was begun otherwise, Interrupted where the lab was asked to stop: the study goes on when it is called again.
    """
    start = time.perf_counter()
    able(method)
    ranges = usual(recipe) if ranges is None else ranges
    listed = {"grid": lambda: grid(ranges), "spread": lambda: spread(ranges, count, seed=recipe.seed)}.get(method)
    points = listed() if listed else None
    planned = count if points is None else len(points)
    study, steps = Study(lab.case.folder / "search"), rungs_of(sum(stage.epochs for stage in recipe.stages))
    spans = {key: dataclasses.asdict(span) for key, span in ranges.items()}
    study.check({"recipe": recipe.id, "method": method, "count": planned, "ranges": spans, "metric": recipe.metric})

    def fresh(trials: list[Trial]) -> Mapping[str, float]:
        # Trial 0 is the recipe as it is.
        return points[len(trials) - 1] if points is not None else proposed(trials, ranges, seed=recipe.seed)

    while (trial := _next(study, steps, planned, fresh, left=lab.left)) is not None:
        if trial.number < 0:
            time.sleep(PAUSE)
            continue
        with study.claim(trial.number) as ours:
            if ours:
                _train(lab, recipe, study, trial, steps)
    return _found(lab, recipe, study.trials(), seeds, start)


WAIT = Trial(number=-1, patch={}, rungs={}, goal=0)


def _next(
    study: Study,
    steps: Sequence[int],
    planned: int,
    fresh: Callable[[list[Trial]], Mapping[str, float]],
    *,
    left: float,
) -> Trial | None:
    """What to train now: what was left lying, what has earned to go on, something new; WAIT for others; None at the end.

    Where the time is over nothing new is begun, and what is there is decided by what it has reached.
    """
    with study.alone():
        trials = study.trials()
        begun = [trial for trial in trials if not trial.ended and trial.epochs < trial.goal]
        for trial in begun:
            with study.claim(trial.number) as free:
                if free:
                    return trial
        if left <= 0 and trials:
            return None
        if (risen := _risen(trials, steps, whole=len(trials) > planned and not begun)) is not None:
            goal = next(step for step in steps if step > risen.epochs)
            study.promote(risen.number, goal)
            return dataclasses.replace(risen, goal=goal)
        if len(trials) <= planned:
            patch = fresh(trials) if trials else {}
            goal = steps[0] if trials else steps[-1]
            return Trial(number=study.ask(patch, goal), patch=patch, rungs={}, goal=goal)
        return WAIT if begun else None


def _risen(trials: Sequence[Trial], steps: Sequence[int], *, whole: bool) -> Trial | None:
    """The best trial that stands at a rung and belongs to the best third of all that came so far; the highest rung first.
    `whole`: nothing more will come, so that of fewer than three the best goes on too."""
    for step in reversed(steps[:-1]):
        came = sorted((t for t in trials if step in t.rungs and t.number), key=lambda t: t.rungs[step], reverse=True)
        earned = max(len(came) // KEPT, int(whole))
        for trial in came[:earned]:
            if trial.epochs == trial.goal == step and trial.ended == "" and math.isfinite(trial.score):
                return trial
    return None


def _train(lab: Lab, recipe: Recipe, study: Study, trial: Trial, steps: Sequence[int]) -> None:
    """Train to the trial's goal, from its checkpoint where it has one, and tell the score."""
    wanted = recipe.change(trial.patch)
    stages = [stage.epochs for stage in recipe.stages]
    names = [stage.name for stage in recipe.stages]
    done = 0

    def watch(event: Mapping[str, Any]) -> None:
        nonlocal done
        if "epoch" in event and "stage" in event:
            done = sum(stages[: names.index(str(event["stage"]))]) + int(event["epoch"]) - 1
        lab.watch(event)

    def enough() -> bool:
        return done >= trial.goal < steps[-1]

    title = f"trial {trial.number}, to epoch {trial.goal} of {steps[-1]}"
    own = dataclasses.replace(lab, watch=watch, stop=lambda: enough() or lab.stop())
    try:
        run = own.trained(wanted, recipe.seed, title=title)
    except Interrupted:
        if not enough():
            raise
        state, _ = checkpoint.load(lab.case.run(wanted.id, recipe.seed))
        study.tell(trial.number, trial.goal, -math.inf if state.score is None else state.score, "")
        return
    ended: Ended = "broken" if run.cost["stopped"] else "complete"
    study.tell(trial.number, steps[-1], -math.inf if ended == "broken" else float(run.cost["score"]), ended)


def _found(lab: Lab, recipe: Recipe, trials: Sequence[Trial], seeds: int, start: float) -> Searched:
    """The best trial that was trained to the end, and its difference to the own recipe; further seeds only where there is time."""
    complete = [trial for trial in trials if trial.ended == "complete"]
    if not complete:
        raise SnellenError(
            "no trial was trained to the end; give more --budget, or see in the case's runs why they broke"
        )
    best = max(complete, key=lambda trial: (trial.score, -trial.number))
    finalists = [trial for trial in complete if trial.number in (0, best.number)]
    first = lab.trained(recipe.change(best.patch), recipe.seed)
    if lab.left < (seeds - 1) * len(finalists) * float(first.cost["seconds"]):
        seeds = 1
    runs = {t.number: _seeds(lab, recipe.change(t.patch), t.number, seeds) for t in finalists}
    rows = {number: [run.predictions("val") for run in own] for number, own in runs.items()}
    means = {number: statistics.fmean(float(run.cost["score"]) for run in own) for number, own in runs.items()}
    effect = pair(rows[0], rows[best.number], metric=recipe.metric, level=LEVEL) if len(finalists) == 2 else None
    candidates = tuple(
        Candidate(number=t.number, patch=t.patch, epochs=t.epochs, score=t.score, mean=means.get(t.number))
        for t in trials
        if math.isfinite(t.score)
    )
    return Searched(
        best=recipe.change(best.patch), patch=best.patch, candidates=candidates, effect=effect, seeds=seeds,
        seconds=time.perf_counter() - start,
    )  # fmt: skip


def _seeds(lab: Lab, recipe: Recipe, number: int, seeds: int) -> list[Run]:
    return [lab.trained(recipe, recipe.seed + n, title=f"trial {number}, seed {recipe.seed + n}") for n in range(seeds)]
