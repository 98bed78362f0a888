"""What travels between the rooms: findings, remedies, verdicts, and the frozen containers that hold them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["info", "warn", "block"]
Safety = Literal["safe", "trade-off", "risky"]
Decision = Literal["adopt", "reject", "undecided"]

SEVERITIES: tuple[Severity, ...] = ("info", "warn", "block")

# The question a run answers. A remedy may change how it is answered, never these.
QUESTION = (
    "task", "metric", "seed", "gates", "data.val", "data.test", "data.group", "data.time", "degrade.scale", "degrade.parts", "degrade.baseline",
)  # fmt: skip


class SnellenError(Exception):
    """Wrong use or wrong input: the message says what was given, what was expected and what to do next."""


class FrozenMap(Mapping[str, Any]):
    """A read-only mapping that copies and pickles (a mappingproxy does neither)."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] | None = None) -> None:
        self._items = dict(items or {})

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenMap:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return FrozenMap, (self._items,)


def freeze(value: Any) -> Any:
    """Return `value` with every list made a tuple and every dict a read-only mapping, all the way down."""
    if isinstance(value, Mapping):
        return FrozenMap({str(key): freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(freeze(item) for item in value)
    return value


def thaw(value: Any) -> Any:
    """Return `value` as plain dicts and lists, ready for JSON or YAML."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [thaw(item) for item in value]
    return value


def unit(metric: str) -> str:
    """What differences of a metric are told in: nats of a log loss, dB of a signal-to-noise ratio, else points of a share."""
    if metric.endswith("log_loss"):
        return "nats"
    return "dB" if metric.startswith("psnr") else "points"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a rule saw in stored files.

    `evidence` holds the numbers that the message names; `samples` the catalog ids concerned, worst first.
    `looked` is False where the rule could not look because a signal is missing: then the finding says so.
    """

    rule: str
    severity: Severity
    message: str
    evidence: Mapping[str, Any] = field(default_factory=FrozenMap)
    samples: tuple[str, ...] = ()
    looked: bool = True

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity is {self.severity!r}, expected one of {SEVERITIES}")
        object.__setattr__(self, "evidence", freeze(self.evidence))
        object.__setattr__(self, "samples", tuple(self.samples))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A proposed change of the recipe: data, not code, so that it can be shown, stored, stacked, refused and undone.

    `patch` maps dotted recipe keys to new values. `metric` names the score on which the remedy claims to help
    (None: the recipe's own metric).
    """

    name: str
    finding: str
    patch: Mapping[str, Any]
    reason: str
    source: str
    safety: Safety = "safe"
    metric: str | None = None

    def __post_init__(self) -> None:
        if not self.patch:
            raise ValueError(f"remedy {self.name!r} changes nothing")
        for key in self.patch:
            # A whole section ("data") would carry its part of the question with it.
            if any(f"{key}.".startswith(f"{part}.") or part.startswith(f"{key}.") for part in QUESTION):
                raise ValueError(f"remedy {self.name!r} would change {key!r}, which is part of the question")
        object.__setattr__(self, "patch", freeze(self.patch))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a paired experiment said of a remedy.

    `effect`, `low` and `high` are in units of `metric`, signed so that positive is better. `level` is the
    coverage of the interval after the number of looks was paid for; `seconds` the cost of the experiment.
    """

    remedy: str
    finding: str
    metric: str
    baseline: str
    candidate: str
    effect: float | None
    low: float | None
    high: float | None
    level: float
    samples: int
    seeds: int
    looks: int
    seconds: float
    decision: Decision
    reason: str
    stage: Literal["screen", "confirm"] = "confirm"


def to_json(value: Finding | Remedy | Verdict) -> dict[str, Any]:
    """The value as a plain dict, one key per field."""
    return {item.name: thaw(getattr(value, item.name)) for item in dataclasses.fields(value)}
