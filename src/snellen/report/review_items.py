"""What the review page asks about: a random sample first, then every finding's samples and objects, worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snellen.catalog import Catalog
from snellen.report.words import Words
from snellen.values import SEVERITIES, Finding, thaw

RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Item:
    """One question. `key` names the object in question in the user's file (None: the sample as a whole), `nth` tells
    objects of one key apart; `box` (x0, y0, x1, y1, pixels of the upright image), `label` and `adds` (labels that a multi-label
    sample lacks) are what a rule suggests."""

    name: str
    part: int
    sample: str
    key: str | None = None
    nth: int = 0
    what: str = ""
    box: tuple[float, ...] | None = None
    label: str = ""
    adds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A run of `count` items from `start` on: the random sample (severity empty), or one finding."""

    name: str
    severity: str
    title: str
    message: str
    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Questions:
    """All items in the order of asking, and the parts that they fall into."""

    parts: tuple[Part, ...]
    items: tuple[Item, ...]


def questions(catalog: Catalog, findings: Sequence[Finding], words: Words, *, sample: int, seed: int) -> Questions:
    """`sample` random usable samples, then what each finding names, most severe finding first.

    The same catalog and seed give the same items in the same order; a larger `sample` only appends to the random ones.
    """
    parts: list[Part] = []
    items = _random(catalog, sample, seed)
    parts.append(Part(RANDOM, "", "", "", 0, len(items)))
    known, seen = set(catalog.ids), {item.name for item in items}
    for finding in sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity)):
        asked = [item for item in _of_finding(finding, len(parts)) if item.sample in known and item.name not in seen]
        asked = list({item.name: item for item in asked}.values())
        if finding.looked and asked:
            seen |= {item.name for item in asked}
            title, message = words.label("rules", finding.rule), words.finding(finding)
            parts.append(Part(finding.rule, finding.severity, title, message, len(items), len(asked)))
            items += asked
    return Questions(tuple(parts), tuple(items))


def _random(catalog: Catalog, sample: int, seed: int) -> list[Item]:
    # Sorted by id, which is content: the order of the files on the disk plays no part.
    ids = sorted(catalog.usable().ids)
    order = np.random.default_rng(seed).permutation(len(ids))[:sample]
    return [Item(f"{RANDOM}|{ids[row]}", 0, ids[row]) for row in order]


def _of_finding(finding: Finding, part: int) -> Iterator[Item]:
    """The objects that the evidence names, then the samples without such an object."""
    named: Counter[tuple[str, str]] = Counter()
    told = set()
    lacking = {
        str(entry.get("sample")): tuple(map(str, entry.get("labels", ()))) for entry in _listed(finding, "missing")
    }
    for entry in _listed(finding, "objects"):
        sample, key = str(entry.get("sample", "")), str(entry.get("key", ""))
        nth = named[sample, key]
        named[sample, key] += 1
        told.add(sample)
        yield Item(
            name=f"{finding.rule}|{sample}|{key}" + (f"#{nth}" if nth else ""),
            part=part,
            sample=sample,
            key=key,
            nth=nth,
            what=str(entry.get("what", "")),
            box=_box(entry.get("box")),
            label=str(entry.get("label", "")),
        )
    for sample in finding.samples:
        if sample not in told:
            yield Item(f"{finding.rule}|{sample}", part, sample, adds=lacking.get(sample, ()))


def _listed(finding: Finding, name: str) -> list[Mapping[str, Any]]:
    found = thaw(finding.evidence).get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _box(given: Any) -> tuple[float, ...] | None:
    if not isinstance(given, list) or len(given) != 4 or not all(isinstance(value, int | float) for value in given):
        return None
    return tuple(map(float, given)) if np.isfinite(given).all() else None
