"""Row 6: wall time from a cold start until validation + test accuracy is what the careful plain loop reaches at its end.

    python bench/time_to_accuracy.py --data FOLDER [--peer-epochs 4] [--budgets 90s,120s,…] [--fastai-python PYTHON] [--rounds 2]

FOLDER has train, val and test. Every side is a program of its own that starts from nothing: peers/careful_loop.py,
`snellen run FOLDER --budget B --json` with an empty cache, and peers/fastai_loop.py where an interpreter with fastai is named.
With several budgets each peer runs once first, and ours with one budget after the other until its accuracy is the peer's: that budget
is then measured against the peer by turns, with a new seed in every round. The default is what such a search found on this project's photographs. Accuracies are paired by seed and image. The peak resident
set is that of the largest process of a side.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import _command
from _material import QUICK
from _photos import embedded
from _rounds import Measured, Ratio, interval
from snellen.improve.pair import pair
from snellen.run import Predictions, Run

HERE = Path(__file__).parent
BUDGETS = "85s"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Wall seconds, peak resident bytes, and whether every image of val and test was answered right, by path."""

    seconds: float
    peak: int
    right: Mapping[str, bool]

    @property
    def accuracy(self) -> float:
        """Of val and test together."""
        return float(np.mean(list(self.right.values())))


@dataclass(frozen=True, slots=True)
class Side:
    """A program that is run seed after seed; `outcomes` are those of the rounds, in order."""

    program: Callable[[int], Outcome]
    seeds: Iterator[int] = field(default_factory=itertools.count)
    outcomes: list[Outcome] = field(default_factory=list)

    def __call__(self) -> dict[str, float]:
        self.outcomes.append(self.program(next(self.seeds)))
        return {"peak": self.outcomes[-1].peak}


def run(command: Sequence[str], **environment: str) -> tuple[str, float, int]:
    """Standard output, wall seconds and peak resident bytes of a program; SystemExit with its last words where it failed."""
    with tempfile.TemporaryFile("w+") as errors:
        # Every side is a process of its own here, and allocates memory as it does for its users.
        own = {key: value for key, value in os.environ.items() if key != "SNELLEN_KEEP_MEMORY"}
        start = time.perf_counter()
        program = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**own, **environment}
        )
        assert program.stdout is not None
        told = program.stdout.read()
        _, status, usage = os.wait4(program.pid, 0)
        seconds = time.perf_counter() - start
        program.stdout.close()
        program.returncode = os.waitstatus_to_exitcode(status)
        # `snellen run` ends with 1 where a gate is not passed: its model is there all the same.
        if program.returncode not in (0, 1) or not told.strip():
            errors.seek(0)
            raise SystemExit(f"{Path(command[1]).name} ended with {program.returncode}:\n{errors.read()[-2000:]}")
    return told, seconds, usage.ru_maxrss * 1024


def peer(python: str, script: str, data: Path, options: Sequence[str]) -> Callable[[int], Outcome]:
    """A peer's program."""

    def once(seed: int) -> Outcome:
        command = [python, str(HERE / "peers" / script), str(data), "--seed", str(seed), *options]
        told, seconds, peak = run(command)
        return Outcome(seconds, peak, json.loads(told)["right"])

    return once


def ours(data: Path, budget: str, options: Sequence[str]) -> Callable[[int], Outcome]:
    """`snellen run` with a budget, from an empty cache."""

    def once(seed: int) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="snellen-bench-") as name:
            case = Path(name) / "case"
            command = [
                sys.executable,
                "-m",
                "snellen",
                "run",
                str(data),
                "--budget",
                budget,
                "--json",
                "--out",
                str(case),
            ]
            _, seconds, peak = run([*command, "--seed", str(seed), *options], SNELLEN_CACHE=str(Path(name) / "cache"))
            return Outcome(seconds, peak, right(case))

    return once


def right(case: Path) -> dict[str, bool]:
    """Answers of a case's final run on val and test, by path."""
    final = Run.open(case / "runs" / json.loads((case / "final.json").read_text())["run"])
    catalog = final.catalog
    paths = dict(zip(catalog.ids, catalog.table.column("path").to_pylist(), strict=True))
    rows = [final.predictions(split) for split in ("val", "test")]
    return {paths[i]: bool(good) for part in rows for i, good in zip(part.ids, part.correct, strict=True)}


def smallest(budgets: Sequence[str], wanted: float, tried: dict[str, Outcome], make: Callable[[str], Any]) -> str:
    """The first budget whose one run is as accurate as wanted (the most accurate of all where none is)."""
    for budget in budgets:
        if budget not in tried:
            tried[budget] = make(budget)(0)
            print(f"budget {budget}: {tried[budget].accuracy:.4f} in {tried[budget].seconds:.0f} s", flush=True)
        if tried[budget].accuracy >= wanted:
            return budget
    print(f"no budget reached {wanted:.4f}: the most accurate is measured", flush=True)
    return max(tried, key=lambda budget: tried[budget].accuracy)


def rows(outcome: Outcome, paths: Sequence[str]) -> Predictions:
    """Answers as stored rows: right or wrong is all that is asked."""
    good = np.asarray([float(outcome.right[path]) for path in paths])
    return Predictions(tuple(paths), np.zeros(len(paths), np.int64), np.stack([good, 1 - good], 1), ("right", "wrong"))


def gate(mine: Sequence[Outcome], theirs: Sequence[Outcome]) -> str:
    """Both accuracies and their paired difference."""
    paths = sorted(set(mine[0].right) & set(theirs[0].right))
    effect = pair([rows(o, paths) for o in theirs], [rows(o, paths) for o in mine], metric="accuracy", level=0.95)
    left = len(theirs[0].right) - len(paths)
    reached = "reached" if effect.candidate >= effect.baseline else "not reached"
    return (
        f"Accuracy {effect.candidate:.4f} against {effect.baseline:.4f} (n = {effect.samples}, {effect.seeds} seeds"
        f"{f', {left} images of the peer not used by ours' if left else ''}): {100 * effect.effect:+.2f} points, 95 % interval "
        f"{100 * effect.low:+.2f} to {100 * effect.high:+.2f}; the accuracy gate is {reached} in the mean."
    )


def memory(measured: Measured, name: str, mine: str, theirs: str, goal: str) -> Ratio:
    """Peak resident sets, in megabytes."""
    sets = [measured.seconds(f"{side} peak") / 1e6 for side in (mine, theirs)]
    each = sets[0] / sets[1]
    low, high = interval(each)
    return Ratio(
        row="6", name=f"peak memory against {name}", ours=float(np.median(sets[0])), peer=float(np.median(sets[1])), unit="MB",
        ratio=float(np.median(each)), low=low, high=high, rounds=len(measured.kept), dropped=measured.dropped, goal=goal,
        note="ours / peer; the largest process of a side: workers of a loader are not added to the peer's.",
    )  # fmt: skip


def peers_of(given: argparse.Namespace, data: Path) -> dict[str, tuple[Callable[[int], Outcome], float, str]]:
    """By name: the program, the goal of the ratio of times, and the goal of the ratio of memory."""
    small = ["--model", "test_efficientnet", "--weights", "none", "--size", "32"] if given.quick else []
    options = ["--epochs", str(given.peer_epochs), *small]
    found = {}
    if not given.only_fastai:
        found["careful loop"] = (peer(sys.executable, "careful_loop.py", data, options), 3.0, "")
    if given.fastai_python:
        found["fastai"] = (peer(given.fastai_python, "fastai_loop.py", data, options), 10.0, "<= 1.5")
    return found


def compared(given: argparse.Namespace, data: Path) -> tuple[list[Ratio], Measured]:
    """Scan, then measure by turns."""
    small = [word for key, value in _flat(QUICK) for word in ("--set", f"{key}={value}")] if given.quick else []
    options = [*small, *given.options.split()]
    peers = peers_of(given, data)
    sides: dict[str, Side] = {}
    budgets: dict[str, str] = {}
    tried: dict[str, Outcome] = {}
    choice = given.budgets.split(",")
    for name, (program, _, _) in peers.items():
        # With one budget there is nothing to choose, and no run to choose by.
        budgets[name] = choice[0]
        if len(choice) > 1:
            once = program(0)
            print(f"{name}: {once.accuracy:.4f} in {once.seconds:.0f} s", flush=True)
            budgets[name] = smallest(choice, once.accuracy, tried, lambda b: ours(data, b, options))
        sides |= {f"ours for {name}": Side(ours(data, budgets[name], options)), name: Side(program)}
    measured = _command.measured(sides, given, warm=False)
    ratios = []
    for name, (_, goal, most) in peers.items():
        mine = f"ours for {name}"
        note = f"{data.name}, budget {budgets[name]}, peer {given.peer_epochs} epochs; {gate(sides[mine].outcomes, sides[name].outcomes)}"
        ratios.append(
            measured.ratio("6", f"time to the accuracy of {name}", goal=f">= {goal:g}", ours=mine, peer=name, note=note)
        )
        ratios.append(memory(measured, name, mine, name, most))
    return ratios, measured


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__, rounds=2)
    made.add_argument("--peer-epochs", type=int, default=4)
    made.add_argument("--budgets", default=BUDGETS, help=f"tried in this order (default {BUDGETS})")
    made.add_argument("--options", default="", help="more options of snellen run, as one word")
    made.add_argument("--fastai-python", default="", help="an interpreter that has fastai, timm and this project")
    made.add_argument(
        "--only-fastai", action="store_true", help="leave the careful loop out; kept in a file of its own"
    )
    given = _command.parse(made)
    if given.only_fastai and not given.fastai_python:
        made.error("--only-fastai needs --fastai-python")
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as name:
        data = given.data or embedded(Path(name) / "embedded", each=8 if given.quick else None)
        if given.quick:
            given.budgets, given.peer_epochs = "5s", 1
        ratios, measured = compared(given, data)
    _command.finish("time_to_fastai" if given.only_fastai else "time_to_accuracy", ratios, [measured], given)


if __name__ == "__main__":
    main()
