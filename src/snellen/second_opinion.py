"""Second opinion: what the run rules say of a training that another tool ran and logged, and what may be done about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from snellen.examine import diagnose
from snellen.foreign.advice import in_words_of
from snellen.foreign.found import read_log
from snellen.foreign.log_run import LogRun
from snellen.foreign.reading import Reading
from snellen.shelf import REMEDIES
from snellen.values import Finding, SnellenError, to_json


def second_opinion(path: str | Path, *, classes: int | None = None) -> dict[str, Any]:
    """Read the log that `path` is or holds, let the run rules look, and list remedies as advice.

    `classes`: the number of classes, which no log tells; it also says that the loss is a cross-entropy. Returns
    {"findings", "log", "advice"}. Raises SnellenError for what cannot be read. Nothing is written.
    """
    if classes is not None and not 2 <= classes <= 1_000_000:
        raise SnellenError(f"--classes {classes} is no number of classes; expected 2 or more")
    reading = read_log(Path(path))
    if classes is not None:
        reading = replace(reading, classes=classes, nats=True)
    findings = diagnose(LogRun.of(reading))
    return {
        "findings": [to_json(finding) for finding in findings],
        "log": _about(reading),
        "advice": [item for finding in findings if finding.severity != "info" for item in _advice(finding, reading)],
    }


def _about(reading: Reading) -> dict[str, Any]:
    return {
        "path": str(reading.path), "format": reading.format, "framework": reading.framework, "rows": reading.rows,
        "epochs": reading.epochs, "columns": dict(reading.columns), "unseen": list(reading.unseen),
        "cross_entropy": reading.nats, "classes": reading.classes, "known": dict(reading.known), "notes": list(reading.notes),
    }  # fmt: skip


def _advice(finding: Finding, reading: Reading) -> Iterable[dict[str, str]]:
    """The remedies that cure a finding, in the order in which they are worth trying; none is proved for this training."""
    cures = [name for name in REMEDIES.names() if finding.rule in (REMEDIES.constant(name, "CURES") or ())]
    for name in sorted(cures, key=lambda name: REMEDIES.constant(name, "ORDER") or 0):
        yield {
            "finding": finding.rule,
            "remedy": name,
            "what": _first(REMEDIES.module(name).__doc__ or ""),
            "how": in_words_of(reading.framework, name),
            "source": REMEDIES.constant(name, "SOURCE") or "",
        }


def _first(text: str) -> str:
    return text.strip().split("\n", 1)[0]
