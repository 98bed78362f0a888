"""Curate: verbs about annotations alone. Compare annotators, take an arbiter's word, hand labels to other tools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from snellen import store
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.agreement import compare
from snellen.data.arbitration import read_decisions, write_disputes
from snellen.data.consensus import consensus
from snellen.data.exports import export as write_export
from snellen.data.read import read
from snellen.shelf import CATALOG_RULES
from snellen.values import SnellenError, to_json

# Written by `agree`; `export` takes the first of those that a folder has.
CORRECTED, CONSENSUS, CATALOG = "corrected.parquet", "consensus.parquet", "catalog.parquet"


def agree(
    sources: Sequence[str | Path], *, out: str | Path, decisions: str | Path | None = None, iou: float = 0.5,
    limit: float = 0.05,
) -> dict[str, Any]:  # fmt: skip
    """Compare two or more annotations of the same images; one source each.

    Writes into `out`: agreement.json (rates, kappas, conflicts, with intervals), disputes.jsonl (one line for each, for an
    arbiter to fill in `decision`), and with `decisions` (that file, filled in) consensus.parquet, the catalog of what all
    agree on and what was decided. A disputes.jsonl that is there is never overwritten. Raises SnellenError where there are
    fewer than two sources, their tasks differ, or they have no image in common.
    """
    if len(sources) < 2:
        raise SnellenError(f"{len(sources)} annotation was given; agreement needs two or more of the same images")
    catalogs = [read([Path(source)]) for source in sources]
    found = compare(*catalogs, iou=iou, limit=limit, names=_names(sources))
    folder = Path(out)
    answer: dict[str, Any] = {"summary": dict(found.summary), "disputes": len(found.disputes), "files": []}
    store.write_json(folder / "agreement.json", answer["summary"])
    answer["files"].append(str(folder / "agreement.json"))
    listed = folder / "disputes.jsonl"
    if not listed.is_file():
        write_disputes(found, listed)
    answer["files"].append(str(listed))
    if decisions is not None:
        settled = consensus(found, catalogs, read_decisions(found, Path(decisions)))
        settled.save(folder / CONSENSUS)
        answer["files"].append(str(folder / CONSENSUS))
    rule = CATALOG_RULES.pick("annotators_disagree")
    answer["findings"] = [to_json(finding) for finding in rule(found.marked(catalogs[0]))]
    return answer


def export(folder: str | Path, *, to: str, out: str | Path) -> dict[str, Any]:
    """Write the labels of a case (corrected by a review, where there was one) or of a consensus in another tool's format.

    Returns {"files", "samples", "objects", "left_out": {reason: n}, "changed": {what: n}}; images are never copied. Raises
    SnellenError where the folder holds no catalog, or the format is unknown or cannot hold this task.
    """
    written = write_export(_catalog(Path(folder)), Path(out), to=to)
    return {
        "files": [str(path) for path in written.files], "samples": written.samples, "objects": written.objects,
        "left_out": dict(written.left_out), "changed": dict(written.changed),
    }  # fmt: skip


def _catalog(folder: Path) -> Catalog:
    for name in (CORRECTED, CONSENSUS):
        if (folder / name).is_file():
            return Catalog.load(folder / name)
    if not (folder / CATALOG).is_file():
        raise SnellenError(f"{folder} holds no catalog; give a folder that snellen audit, run, train or agree wrote")
    return Case(folder).catalog


def _names(sources: Sequence[str | Path]) -> tuple[str, ...]:
    """What tells the annotators apart: the sources' names, or as much of their paths as differs."""
    paths = [Path(source).absolute() for source in sources]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = tuple("/".join(path.parts[-depth:]) for path in paths)
        if len(set(names)) == len(names):
            return names
    raise SnellenError(f"{paths[0]} is given twice; give the annotations of different people")
