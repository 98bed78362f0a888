"""Planted faults of objects and masks, scored by the scripts of these tasks, as rows like those of whole images."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _planted import ANSWERS, HALVES, Tally, kinds_in

HERE = Path(__file__).parent
# A key that the entries of a task have -> the script that scores them.
SCRIPTS = {"annotation_id": "audit_boxes", "mask": "audit_masks"}


def rows(folder: Path, findings: Sequence[Mapping[str, Any]], paths: Sequence[str], half: str) -> list[dict[str, Any]]:
    """{"kind", "rules", "tools": {"snellen": tally}} for every kind that is about objects or masks and has a script.

    `findings` are what the audit told of the folder and `paths` its samples.
    """
    entries = [item for kind, items in kinds_in(folder).items() if kind not in ANSWERS for item in items]
    names = [name for key, name in SCRIPTS.items() if any(key in item for item in entries)]
    found: list[dict[str, Any]] = []
    for name in (name for name in names if (HERE / f"{name}.py").is_file()):
        module = importlib.import_module(name)
        every = [row for side in HALVES[half] for row in _asked(module, folder, side, findings, paths)]
        found += together([row for row in every if "planted" in row], getattr(module, "RULES", {}))
    return found


def _asked(
    module: Any, folder: Path, side: int, findings: Sequence[Mapping[str, Any]], paths: Sequence[str]
) -> list[dict[str, Any]]:
    if not hasattr(module, "scored"):
        return list(module.score(folder, side))
    # It can score what the audit has told already: nothing is measured twice.
    flags: dict[str, set[str]] = defaultdict(set)
    for finding in findings:
        flags[finding["rule"]] |= {Path(path).stem for path in finding["samples"]}
    return list(module.scored(folder, side, dict(flags), sorted(Path(path).stem for path in paths), 0.0))


def together(told: Sequence[Mapping[str, Any]], rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for every kind from the rows of a script, which counts `planted`, `named` or `found`, and `flagged`."""
    made = []
    for kind in dict.fromkeys(row["kind"] for row in told):
        mine = [row for row in told if row["kind"] == kind]
        found = sum(row["named"] if "named" in row else row["found"] for row in mine)
        right = sum(row["right"] for row in mine) if all("right" in row for row in mine) else found
        flagged = sum(row["flagged"] for row in mine)
        tally = Tally(sum(row["planted"] for row in mine), found, right, flagged - right)
        named = rules.get(kind, ())
        made.append(
            {"kind": kind, "rules": [named] if isinstance(named, str) else list(named), "tools": {"snellen": tally.plain()}}
        )  # fmt: skip
    return made
