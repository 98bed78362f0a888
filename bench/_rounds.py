"""Rounds: two or more ways of doing one thing, timed by turns in one process, with what else the machine did beside them.

The sides take turns in the order A B, B A, A B, … so that a drift of the machine hits both alike, after a warm-up of each.
Before and after every round a small matrix product and a copy of memory say how fast the machine is just now. A round is
disturbed where either is off its median by more than a quarter, or where other programs used more than 15 % of the
processor: it is dropped, counted and made up for, by at most as many rounds as were asked for.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import psutil
import torch

LEAST = 7
OFF, FOREIGN = 0.25, 0.15
# Below this much processor time (seconds over all cores) the kernel's ticks of 10 ms are too coarse to say anything.
SHORTEST = 0.5
# Seconds of a round from which on each is told as it ends.
LONG = 10.0
DRAWS = 10_000

# Timed as a whole; where it returns a mapping, that names the seconds of its parts, kept as "<side> <part>".
Side = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the machine could do: GFLOP/s of a float32 matrix product, GB/s of a copy."""

    gemm: float
    memcpy: float


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds by side, the worse calibration of before and after, and the share of the processor that others used."""

    seconds: Mapping[str, float]
    calibration: Calibration
    foreign: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One line of the table. For a goal of the form ">= x" the ratio is peer / ours (how many times faster ours is), for
    "<= x" it is ours / peer; the interval is the 95 % bootstrap interval of the median over rounds. `ours` and `peer` are
    medians in `unit`."""

    row: str
    name: str
    ours: float
    peer: float
    unit: str
    ratio: float
    low: float
    high: float
    rounds: int
    dropped: int
    goal: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """met, not met, undecided (the goal lies inside the interval), or reported where there is no goal."""
        if not self.goal:
            return "reported"
        sign, limit = self.goal.split()
        low, high, wanted = (
            (self.low, self.high, float(limit)) if sign == ">=" else (-self.high, -self.low, -float(limit))
        )
        return "met" if low >= wanted else "not met" if high < wanted else "undecided"

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Measured:
    """The rounds that count, in order, and how many were dropped."""

    kept: tuple[Round, ...]
    dropped: int
    threads: int

    @property
    def calibration(self) -> Calibration:
        """Medians over the rounds."""
        return Calibration(*np.median([(r.calibration.gemm, r.calibration.memcpy) for r in self.kept], axis=0).tolist())

    def seconds(self, name: str) -> np.ndarray:
        """Seconds of a side by round."""
        return np.asarray([round.seconds[name] for round in self.kept])

    def ratio(
        self, row: str, name: str, *, goal: str, ours: str = "ours", peer: str = "peer", images: int = 0, times: int = 1,
        note: str = "",
    ) -> Ratio:  # fmt: skip
        """Compare two sides; with `images` both are told in images per second instead of seconds. `times`: how often the
        peer would have to be run to have done what ours did."""
        mine, theirs = self.seconds(ours), times * self.seconds(peer)
        each = mine / theirs if goal.startswith("<=") else theirs / mine
        low, high = interval(each)
        shown = [images / np.median(s) if images else np.median(s) for s in (mine, theirs)]
        return Ratio(
            row=row, name=name, ours=float(shown[0]), peer=float(shown[1]), unit="images/s" if images else "s",
            ratio=float(np.median(each)), low=low, high=high, rounds=len(self.kept), dropped=self.dropped, goal=goal,
            note=note,
        )  # fmt: skip


def together(parts: Sequence[Measured]) -> Measured:
    """Several measurements of one script as one, for what is said of the machine."""
    rounds = tuple(round for part in parts for round in part.kept)
    return Measured(rounds, sum(part.dropped for part in parts), parts[0].threads)


def measure(
    sides: Mapping[str, Side],
    *,
    rounds: int = LEAST,
    warm: bool = True,
    threads: int | None = None,
    choosy: bool = True,
    clock: Callable[[], float] = time.perf_counter,
    calibrate: Callable[[], Calibration] | None = None,
    watch: Callable[[], Callable[[], float]] | None = None,
) -> Measured:
    """Time the sides by turns. `choosy`: drop disturbed rounds. `watch` begins to watch the processor and returns what tells
    the others' share of it.

    Raises RuntimeError where no round was quiet.
    """
    calibrate, watch = calibrate or calibration, watch or foreign_load
    torch.set_num_threads(threads or torch.get_num_threads())
    for side in sides.values() if warm else ():
        side()
    done: list[Round] = []
    while sum(good := quiet(done, choosy=choosy)) < rounds and len(done) < 2 * rounds:
        names = list(sides) if len(done) % 2 == 0 else list(sides)[::-1]
        done.append(_round({name: sides[name] for name in names}, clock, calibrate, watch))
        _tell(done, sum(quiet(done, choosy=choosy)), rounds, tuple(sides))
    kept = tuple(round for round, right in zip(done, good, strict=True) if right)
    if not kept:
        raise RuntimeError(
            f"none of {len(done)} rounds was quiet: other programs use this machine; measure when it is idle"
        )
    return Measured(kept, len(done) - len(kept), torch.get_num_threads())


def _tell(done: Sequence[Round], good: int, rounds: int, sides: Sequence[str]) -> None:
    """How far it is, on the error stream and only of rounds that one waits for."""
    each = float(np.mean([sum(round.seconds[name] for name in sides) for round in done]))
    if each >= LONG:
        left = f"about {(rounds - good) * each / 60:.0f} min left" if good < rounds else "done"
        print(f"  round {len(done)}: {good} of {rounds} quiet, {left}", file=sys.stderr, flush=True)


def _round(
    sides: Mapping[str, Side],
    clock: Callable[[], float],
    calibrate: Callable[[], Calibration],
    watch: Callable[[], Callable[[], float]],
) -> Round:
    before, told = calibrate(), watch()
    seconds: dict[str, float] = {}
    for name, side in sides.items():
        gc.collect()
        start = clock()
        parts = side()
        seconds[name] = clock() - start
        if isinstance(parts, Mapping):
            seconds |= {f"{name} {part}": value for part, value in parts.items()}
    foreign, after = told(), calibrate()
    worse = Calibration(min(before.gemm, after.gemm), min(before.memcpy, after.memcpy))
    return Round(seconds, worse, foreign)


def quiet(rounds: Sequence[Round], *, choosy: bool = True) -> list[bool]:
    """Which rounds were not disturbed, judged by all of them."""
    if not rounds or not choosy:
        return [True] * len(rounds)
    speeds = np.asarray([(r.calibration.gemm, r.calibration.memcpy) for r in rounds])
    off = np.abs(speeds / np.median(speeds, axis=0) - 1).max(axis=1)
    return [bool(far <= OFF and r.foreign <= FOREIGN) for far, r in zip(off, rounds, strict=True)]


def interval(values: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    chosen = np.random.default_rng(seed).integers(len(values), size=(DRAWS, len(values)))
    low, high = np.percentile(np.median(values[chosen], axis=1), (2.5, 97.5))
    return float(low), float(high)


def calibration(*, size: int = 768, megabytes: int = 32, tries: int = 5) -> Calibration:
    """The best of a few tries, about a tenth of a second in all."""
    left, right = torch.rand(size, size), torch.rand(size, size)
    source = torch.zeros(megabytes << 18)
    target = torch.zeros_like(source)
    products = [_seconds(lambda: torch.mm(left, right)) for _ in range(tries)]
    copies = [_seconds(lambda: target.copy_(source)) for _ in range(tries)]
    return Calibration(2 * size**3 / min(products) / 1e9, 4 * source.numel() / min(copies) / 1e9)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def foreign_load() -> Callable[[], float]:
    """From now on: the share of the processor's time that went to programs outside our own tree of processes."""
    before = _spent()

    def share() -> float:
        total, busy, own = (after - start for after, start in zip(_spent(), before, strict=True))
        return max(0.0, busy - own) / total if total >= SHORTEST else 0.0

    return share


def _spent() -> tuple[float, float, float]:
    """Seconds of all cores: in all, not idle, and by this process and what it started."""
    times = psutil.cpu_times()._asdict()
    # Time of guests is in the user's already.
    total = sum(value for name, value in times.items() if not name.startswith("guest"))
    idle = times["idle"] + times.get("iowait", 0.0)
    own = psutil.Process()
    return total, total - idle, sum(map(_of_process, [own, *own.children(recursive=True)]))


def _of_process(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # Ended just now: its time is in its parent's.
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
