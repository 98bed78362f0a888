"""Result: the one JSON object that `--json` prints. Other programs build on it; a test holds its schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snellen.case import Case
from snellen.improve.heal import Healed
from snellen.parts.meters.memory import memory
from snellen.values import Finding, Verdict

METRIC = ("value", "low", "high", "n")


def result(
    case: Case, healed: Healed | None, audit: Sequence[Finding], report: Path, *, seconds: float
) -> dict[str, Any]:
    """`run`'s object; before training (`healed` None) only what the audit knows."""
    paths = dict(zip(case.catalog.ids, case.catalog.table.column("path").to_pylist(), strict=True))
    found = [*audit, *(healed.run.findings if healed else ())]
    final = case.read("final") or {}
    return {
        "task": (case.read("plan") or {}).get("recipe", {}).get("task") or case.catalog.task,
        "run": str(case.folder),
        "report": str(report),
        "seconds": round(seconds, 3),
        "peak_bytes": memory(None)["peak_bytes"],
        "test": {name: {key: row[key] for key in METRIC} for name, row in final.get("test", {}).items()},
        "val_test": {name: {key: row[key] for key in METRIC} for name, row in final.get("val_test", {}).items()},
        "leak": final.get("leak", {}),
        "findings": [_finding(item, paths) for item in found],
        "verdicts": [_verdict(item) for item in case.verdicts],
        "artifacts": [_artifact(item, case) for item in final.get("artifacts", [])],
        "gates": final.get("gates", []),
    }


def _finding(finding: Finding, paths: Mapping[str, str]) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "message": finding.message,
        "samples": [paths.get(sample, sample) for sample in finding.samples],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    names = ("remedy", "finding", "metric", "effect", "low", "high", "decision", "seconds", "reason", "stage")
    return {name: getattr(verdict, name) for name in names}


def _artifact(item: Mapping[str, Any], case: Case) -> dict[str, Any]:
    return {
        "format": item["format"],
        "path": str(case.folder / item["path"]),
        "latency_ms": item["latency_ms"]["median"],
        "parity": item["parity"]["max_abs"],
    }


def found_of_planted(
    planted: Mapping[str, Sequence[str]], finders: Mapping[str, str], findings: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, int]]:
    """For every kind of planted fault: how many were planted, and how many of them its rule names. A planted folder (a
    class cut short) counts as found where the rule spoke at all."""
    answer = {}
    for kind, paths in planted.items():
        spoken = [finding for finding in findings if finding["rule"] == finders[kind]]
        named = {path for finding in spoken for path in finding["samples"]}
        folders = [path for path in paths if not Path(path).suffix]
        hits = len(named & set(paths)) + (len(folders) if spoken else 0)
        answer[kind] = {"planted": len(paths), "found": min(hits, len(paths))}
    return answer
