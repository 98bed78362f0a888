"""Epochs: rows of a log, however many and in whatever order, gathered into at most 2,048 groups as they come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST, WINDOWS = 2_048, 64
FARTHEST = 1e12


@dataclass(slots=True)
class Spread:
    """Mean, variance (Welford 1962), largest and last of the finite numbers seen; how many were not finite."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    most: float = -math.inf
    last: float = math.nan
    broken: int = 0

    def add(self, value: float) -> None:
        """Take in one number."""
        if not math.isfinite(value) or abs(value) > 1e150:
            self.broken += 1
            return
        self.n += 1
        away = value - self.mean
        self.mean += away / self.n
        self.squares += away * (value - self.mean)
        self.most, self.last = max(self.most, value), value

    def join(self, later: Spread) -> None:
        """Take in what another has seen after this one (Chan, Golub & LeVeque 1983)."""
        n = self.n + later.n
        if later.n:
            away = later.mean - self.mean
            self.squares += later.squares + away**2 * self.n * later.n / n
            self.mean += away * later.n / n
            self.n, self.most, self.last = n, max(self.most, later.most), later.last
        self.broken += later.broken

    @property
    def variance(self) -> float:
        """Of the numbers seen."""
        return self.squares / self.n if self.n else 0.0


Group = dict[str, Spread]


@dataclass(slots=True)
class Grouped:
    """Groups by a whole number (an epoch or a step). When there are too many, neighbours are joined in pairs.

    `replace`: a number that comes back later is a training that was started again, and counts instead of the earlier.
    """

    replace: bool = False
    width: int = 1
    groups: dict[int, Group] = field(default_factory=dict)
    now: int | None = None
    again: int = 0
    backward: int = 0

    def add(self, key: int, values: Mapping[str, float]) -> None:
        """Take in one row."""
        place = key // self.width
        if place != self.now:
            self.backward += self.now is not None and place < self.now
            if self.replace and self.width == 1 and self.groups.pop(place, None) is not None:
                self.again += 1
            self.now = place
        group = self.groups.setdefault(place, {})
        for role, value in values.items():
            group.setdefault(role, Spread()).add(value)
        while len(self.groups) > MOST:
            self._halve()

    def _halve(self) -> None:
        old, self.groups = sorted(self.groups.items()), {}
        self.width *= 2
        self.now = None
        for place, group in old:
            join(self.groups.setdefault(place // 2, {}), group)

    def sorted(self) -> list[tuple[int, Group]]:
        """Number at which a group ends, and the group, in order."""
        return [((place + 1) * self.width - 1, group) for place, group in sorted(self.groups.items())]


def join(into: Group, group: Group) -> None:
    """Add a later group to an earlier one."""
    for role, spread in group.items():
        into.setdefault(role, Spread()).join(spread)


def whole(value: float | None) -> int | None:
    """A position in training as a whole number; None where it is none."""
    return None if value is None or not math.isfinite(value) or abs(value) > FARTHEST else math.floor(value)


def by_validation(training: Grouped, validation: Grouped) -> Iterator[tuple[int, Group]]:
    """Groups of a log that counts steps: what lies between two validations is an epoch; without any, 64 windows are."""
    trained, validated = training.sorted(), validation.sorted()
    if not validated:
        yield from _windows(trained)
        return
    place = 0
    for number, (end, seen) in enumerate(validated, start=1):
        group: Group = {}
        while place < len(trained) and (trained[place][0] <= end or number == len(validated)):
            join(group, trained[place][1])
            place += 1
        join(group, seen)
        yield end, group


def _windows(groups: list[tuple[int, Group]]) -> Iterator[tuple[int, Group]]:
    size = max(1, math.ceil(len(groups) / WINDOWS))
    for start in range(0, len(groups), size):
        part = groups[start : start + size]
        group: Group = {}
        for _, item in part:
            join(group, item)
        yield part[-1][0], group


def signals(groups: Iterable[tuple[int, Group]], *, percent: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Records of the meters loss, rate, gradient and nonfinite, as a run stores them; epochs are counted from 1.

    A log has one training loss, that of training itself: it stands for `train` and for `running`. `percent` names
    the accuracies that are given in per cent.
    """
    kept = list(groups)
    peak = max((group["lr"].most for _, group in kept if "lr" in group and group["lr"].n), default=0.0)
    found: list[dict[str, Any]] = []
    broken = False
    for epoch, (step, group) in enumerate(kept, start=1):
        at = {"stage": "all", "epoch": epoch, "step": step}
        if not broken and (what := _broken(group)):
            broken = True
            found.append({"meter": "nonfinite", **at, "what": what, "samples": [], "tensor": "", "of": len(kept)})
        loss = _loss(group, percent)
        if loss:
            found.append({"meter": "loss", **at, **loss})
        if _has(group, "lr"):
            found.append({"meter": "rate", **at, "lr": group["lr"].last, "peak": peak})
        if _has(group, "norm"):
            found.append({"meter": "gradient", **at, **_gradient(group["norm"])})
    return found


def _has(group: Group, role: str) -> bool:
    return role in group and group[role].n > 0


def _broken(group: Group) -> str:
    for role, what in (("train", "loss"), ("val", "validation loss"), ("norm", "gradient")):
        if role in group and group[role].broken:
            return what
    return ""


def _loss(group: Group, percent: frozenset[str]) -> dict[str, float]:
    found = {}
    for role in ("train", "train_accuracy", "val", "val_accuracy"):
        if _has(group, role):
            # Training is averaged over the epoch; of several validations in one epoch the last is its end.
            value = group[role].mean if role.startswith("train") else group[role].last
            found[role] = value / 100 if role in percent else value
    return {**found, "running": found["train"]} if "train" in found else found


def _gradient(norm: Spread) -> dict[str, Any]:
    total = {"mean": norm.mean, "variance": norm.variance, "max": norm.most, "last": norm.last}
    return {"total": total, "groups": {}, "clipped": None, "n": norm.n}
