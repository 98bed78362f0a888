"""Planted faults of objects and masks, scored by the scripts of these tasks, as rows like those of whole images."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _planted import ANSWERS, HALVES, Tally, kinds_in
from snellen.catalog import Catalog
from snellen.values import Finding

HERE = Path(__file__).parent


def rows(folder: Path, findings: Sequence[Finding], catalog: Catalog, half: str) -> list[dict[str, Any]]:
    """{"kind", "rules", "tools": {"snellen": tally}} for every kind that is about objects or masks and has a script.

    `findings` are what the audit said of the catalog of the folder: nothing is measured again.
    """
    entries = [item for kind, items in kinds_in(folder).items() if kind not in ANSWERS for item in items]
    found: list[dict[str, Any]] = []
    for key, (name, ask) in SCRIPTS.items():
        if any(key in item for item in entries) and (HERE / f"{name}.py").is_file():
            module = importlib.import_module(name)
            paths = dict(zip(catalog.ids, catalog.table.column("path").to_pylist(), strict=True))
            every = [row for side in HALVES[half] for row in ask(module, folder, side, findings, paths)]
            found += together([row for row in every if "planted" in row], module.RULES)
    return found


def _of_masks(
    module: Any, folder: Path, side: int, findings: Sequence[Finding], paths: Mapping[str, str]
) -> list[dict[str, Any]]:
    flags: dict[str, set[str]] = defaultdict(set)
    for finding in findings:
        flags[finding.rule] |= {Path(paths[sample]).stem for sample in finding.samples}
    return list(module.scored(folder, side, dict(flags), sorted(Path(path).stem for path in paths.values()), 0.0))


def _of_boxes(
    module: Any, folder: Path, side: int, findings: Sequence[Finding], paths: Mapping[str, str]
) -> list[dict[str, Any]]:
    flags = [
        module.Flag(finding.rule, paths[item["sample"]], str(item["key"]), tuple(item.get("box", ())))
        for finding in findings
        if finding.rule in module.RULES.values()
        for item in finding.evidence.get("objects", ())
    ]
    return list(module.scored(folder, side, flags, {"images": len(paths)}))


# A key that the entries of a task have -> the script that scores them, and how it is asked.
SCRIPTS = {"annotation_id": ("audit_boxes", _of_boxes), "mask": ("audit_masks", _of_masks)}


def together(told: Sequence[Mapping[str, Any]], rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for every kind from the rows of a script, which count `planted`, `named` or `found`, and `flagged`, and share
    out `precision`."""
    made = []
    for kind in dict.fromkeys(row["kind"] for row in told):
        mine = [row for row in told if row["kind"] == kind]
        found = sum(row["named"] if "named" in row else row["found"] for row in mine)
        flagged = sum(row["flagged"] for row in mine)
        right = round(sum((row["precision"] or 0) * row["flagged"] for row in mine))
        tally = Tally(sum(row["planted"] for row in mine), found, right, flagged - right)
        named = mine[0].get("rules") or rules.get(kind, ())
        made.append(
            {"kind": kind, "rules": [named] if isinstance(named, str) else list(named), "tools": {"snellen": tally.plain()}}
        )  # fmt: skip
    return made
