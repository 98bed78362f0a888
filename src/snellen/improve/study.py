"""Study: what a search over whole recipes knows, in a file that several processes share and any of them may die at.

The file is a journal (`store.Journal`): a torn last record is left out, and nothing else is lost by kill -9. Trials are claimed by a
lock on a file of theirs, which the system lets go when their process ends, however it ends: what was begun is taken up again
from its checkpoint. Which settings come next is asked of Optuna's samplers; its own journal is not used, because a torn tail
makes it unreadable.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from snellen import store
from snellen.improve.spans import Span
from snellen.values import SnellenError

try:
    import fcntl
except ImportError:  # On Windows one process searches.
    fcntl = None  # type: ignore[assignment]

Ended = Literal["", "complete", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Settings that are tried. `rungs`: score by epochs done; `goal`: epochs that it may train to; `ended`: why no further."""

    number: int
    patch: Mapping[str, float]
    rungs: Mapping[int, float]
    goal: int
    ended: Ended = ""

    @property
    def epochs(self) -> int:
        """Epochs that are done and scored."""
        return max(self.rungs, default=0)

    @property
    def score(self) -> float:
        """At the last rung; the worst there is before the first."""
        return self.rungs[self.epochs] if self.rungs else -math.inf


@dataclass(frozen=True, slots=True)
class Study:
    """The study of one folder."""

    folder: Path

    @property
    def _journal(self) -> store.Journal:
        return store.Journal(self.folder / "study.jsonl")

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other process changes the study."""
        with _locked(self.folder / "study.lock", wait=True):
            yield

    @contextlib.contextmanager
    def claim(self, number: int) -> Iterator[bool]:
        """Whether the trial is now this process's, until the block ends or the process does."""
        with _locked(self.folder / f"trial-{number}.lock", wait=False) as got:
            yield got

    def trials(self) -> list[Trial]:
        """All trials in order."""
        found: dict[int, Trial] = {}
        for item in self._journal.read():
            number = item["trial"]
            if item["what"] == "asked":
                found[number] = Trial(number=number, patch=item["patch"], rungs={}, goal=item["goal"])
            elif item["what"] == "goal":
                found[number] = replace(found[number], goal=item["goal"])
            else:
                trial = found[number]
                score = -math.inf if item["score"] is None else item["score"]
                found[number] = replace(trial, rungs={**trial.rungs, item["epochs"]: score}, ended=item["ended"])
        return [found[number] for number in sorted(found)]

    def ask(self, patch: Mapping[str, float], goal: int) -> int:
        """Enter new settings; the number of their trial. Call it `alone`."""
        number = len(self.trials())
        self._journal.append({"what": "asked", "trial": number, "patch": dict(patch), "goal": goal})
        return number

    def promote(self, number: int, goal: int) -> None:
        """Let a trial go on to so many epochs. Call it `alone`."""
        self._journal.append({"what": "goal", "trial": number, "goal": goal})

    def tell(self, number: int, epochs: int, score: float, ended: Ended) -> None:
        """Enter a score (higher is better)."""
        with self.alone():
            known = score if math.isfinite(score) else None
            self._journal.append({"what": "told", "trial": number, "epochs": epochs, "score": known, "ended": ended})

    def check(self, about: Mapping[str, Any]) -> None:
        """Keep what the study is about; raises SnellenError where it was begun about something else."""
        path = self.folder / "study.json"
        with self.alone():
            if not path.is_file():
                store.write_json(path, about)
                return
        before = store.read_json(path)
        differ = [key for key in about if before.get(key) != store.plain(about)[key]]
        if differ:
            raise SnellenError(
                f"{self.folder} holds a search with other {', '.join(differ)}; go on with those, or give another --out"
            )


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as handle:
        if fcntl is None:
            yield True
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def tuner() -> Any:
    """Optuna; raises SnellenError where it is not installed."""
    try:
        return importlib.import_module("optuna")
    except ImportError:
        raise SnellenError(
            "method tpe needs Optuna: pip install 'snellen[search]', or use --method grid or --method spread"
        ) from None


def proposed(trials: list[Trial], ranges: Mapping[str, Span], *, seed: int) -> dict[str, float]:
    """The next settings by Optuna's TPE (Bergstra et al. 2011), which is told all trials, also those that are under way.

    Raises SnellenError where Optuna is not installed.
    """
    optuna = tuner()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {key: _distribution(optuna, span) for key, span in ranges.items()}
    sampler = optuna.samplers.TPESampler(seed=seed + len(trials), constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in trials:
        if set(trial.patch) == set(ranges):
            study.add_trial(_frozen(optuna, trial, kinds))
    asked = study.ask(kinds)
    return {key: asked.params[key] for key in ranges}


def _distribution(optuna: Any, span: Span) -> Any:
    if span.values:
        return optuna.distributions.CategoricalDistribution(span.values)
    if span.whole:
        return optuna.distributions.IntDistribution(int(span.low), int(span.high), log=span.log)
    return optuna.distributions.FloatDistribution(span.low, span.high, log=span.log)


def _frozen(optuna: Any, trial: Trial, kinds: Mapping[str, Any]) -> Any:
    """A trial as Optuna knows them: those that were stopped with what they had reached."""
    states = optuna.trial.TrialState
    state = {"": states.RUNNING, "complete": states.COMPLETE, "culled": states.PRUNED, "broken": states.FAIL}[
        trial.ended
    ]
    steps = {epochs: score for epochs, score in trial.rungs.items() if math.isfinite(score)}
    value = trial.score if state == states.COMPLETE else None
    return optuna.trial.create_trial(
        state=state, params=dict(trial.patch), distributions=dict(kinds), value=value, intermediate_values=steps
    )
