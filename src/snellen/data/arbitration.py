"""Arbitration: what annotators dispute goes out as a file that a person edits, and comes back as decisions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snellen import store
from snellen.data._units import Mark, Unit
from snellen.data.agreement import Agreement
from snellen.shelf import hint
from snellen.values import SnellenError

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Decision:
    """The arbiter's word on one dispute: an annotator's version is right (`of`, its number), nothing is there (`of` None
    and no label), or what is there instead (`label`, and a box where things are drawn)."""

    of: int | None = None
    label: str = ""
    box: tuple[float, float, float, float] | None = None


def names_of(agreement: Agreement) -> dict[str, Unit]:
    """Every dispute by its name, worst first: the sample's id and the dispute's number within the sample."""
    place: dict[int, int] = {}
    found = {}
    for unit in agreement.disputes:
        place[unit.image] = place.get(unit.image, 0) + 1
        found[f"{agreement.samples[unit.image]}#{place[unit.image]}"] = unit
    return found


def write_disputes(agreement: Agreement, file: Path) -> int:
    """One JSON object a line, worst first; returns their number. The arbiter fills in `decision`:

    the name of the annotator who is right (where that one has nothing: nothing is there), "nothing", or an object
    {"label": "cat", "box": [x0, y0, x1, y1]} with what is there instead. A line left as it is stays undecided.
    """
    lines = [
        json.dumps(_line(agreement, name, unit), ensure_ascii=False) + "\n"
        for name, unit in names_of(agreement).items()
    ]
    store.write_text(Path(file), "".join(lines))
    return len(lines)


def _line(agreement: Agreement, name: str, unit: Unit) -> dict[str, Any]:
    return {
        "dispute": name,
        "decision": "",
        "path": agreement.paths[unit.image],
        "conflict": unit.conflict(agreement.loose),
        "likeness": round(unit.likeness, 3),
        "versions": _versions(agreement, unit),
    }


def _versions(agreement: Agreement, unit: Unit) -> dict[str, Any]:
    return {name: _version(mark) for name, mark in zip(agreement.annotators, unit.marks, strict=True)}


def _version(mark: Mark | None) -> dict[str, Any] | None:
    if mark is None:
        return None
    box = {"box": [round(value, 2) for value in mark.box]} if mark.box else {}
    return {"label": mark.label, **({"key": mark.key} if mark.key else {}), **box}


def read_decisions(agreement: Agreement, file: Path) -> dict[str, Decision]:
    """Decisions by name of the dispute; undecided ones are not in it.

    Raises SnellenError, naming the line, where it is not JSON, a dispute is unknown or twice there, its versions are not
    those of this comparison, or the decision is none that there can be.
    """
    known = names_of(agreement)
    classes = sorted({mark.label for unit in agreement.units for mark in unit.marks if mark is not None})
    found: dict[str, Decision] = {}
    for number, text in enumerate(_lines(Path(file)), start=1):
        if not text.strip():
            continue
        where = f"{file}, line {number}"
        line = _parsed(text, where)
        name = line.get("dispute")
        if name not in known or line.get("versions") != _versions(agreement, known[name]):
            raise SnellenError(
                f"{where}: {name!r} is not a dispute of this comparison; write the disputes anew and decide on them"
            )
        if name in found:
            raise SnellenError(f"{where}: {name!r} was decided on before; leave one line for every dispute")
        if line.get("decision", "") not in ("", None):
            found[name] = _decision(line["decision"], agreement, classes, where)
    return found


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise SnellenError(f"{file} is missing") from None
    except UnicodeDecodeError as error:
        raise SnellenError(
            f"{file} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError as error:
        raise SnellenError(f"{where} is not JSON: {error}") from None
    if not isinstance(line, dict):
        raise SnellenError(f"{where} is {text[:40]!r}, expected an object with dispute and decision")
    return line


def _decision(given: Any, agreement: Agreement, classes: list[str], where: str) -> Decision:
    if given == NOTHING:
        return Decision()
    if isinstance(given, str):
        if given not in agreement.annotators:
            names = (*agreement.annotators, NOTHING)
            raise SnellenError(f"{where}: the decision is {given!r}{hint(given, names)} (or an object with a label)")
        return Decision(of=agreement.annotators.index(given))
    if not isinstance(given, Mapping) or set(given) - {"label", "box"} or given.get("label") not in classes:
        told = given.get("label") if isinstance(given, Mapping) else given
        raise SnellenError(f"{where}: the decision's label is {told!r}{hint(str(told), tuple(classes))}")
    return Decision(label=given["label"], box=_box(given.get("box"), where))


def _box(given: Any, where: str) -> tuple[float, float, float, float] | None:
    if given is None:
        return None
    numbers = isinstance(given, list) and len(given) == 4 and all(isinstance(v, int | float) for v in given)
    if not numbers or not all(map(math.isfinite, given)) or given[2] <= given[0] or given[3] <= given[1]:
        raise SnellenError(f"{where}: the box is {given}, expected [x0, y0, x1, y1] in pixels with x0 < x1 and y0 < y1")
    x0, y0, x1, y1 = map(float, given)
    return x0, y0, x1, y1
