"""What the audit finds of planted faults, and what it says of data that nothing was planted in, beside its peers.

    python bench/audit.py FOLDER_faults… [--clean FOLDER…] [--peer-python PYTHON] [--half odd|even|all]

A folder with a faults.json is audited like any other (the product never reads that file) and scored by kind of fault; the even
half of the instances is for tuning, the odd one is reported. PYTHON is an interpreter with cleanvision, cleanlab and imagededup:
they see the same files and judge labels from the same embeddings. Every folder must be byte-identical afterwards. Writes
results/audit.json and AUDIT.md, where folders of earlier runs of the same half are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import _planted as planted
import snellen
from _audit_objects import rows as objects
from _audit_page import printed
from _audit_whole import write_page
from _command import command
from _planted import ANSWERS, HALVES, Fault, Flags
from _results import RESULTS, environment
from _rounds import calibration
from snellen import store
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.values import Finding

HERE = Path(__file__).parent
STORED = RESULTS / "audit.json"
PEERS = HERE / "peers" / "clean_tools.py"
# Worst label first, by the first of these columns that the catalog has.
QUALITY = ("label_margin", "label_quality")
# What the peers call it -> kind of fault.
ISSUES = {
    "blur": "blurry", "blank": "low_information", "dark": "dark", "overexposed": "light", "tiny": "odd_size",
    "odd_aspect": "odd_aspect_ratio", "grayscale": "grayscale",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Audited:
    """One folder as our audit sees it, and what that took: its answer, the findings behind it, the measured catalog."""

    folder: Path
    findings: Sequence[Mapping[str, Any]]
    told: Sequence[Finding]
    catalog: Catalog
    seconds: Mapping[str, float]
    intact: bool

    @property
    def images(self) -> int:
        """Number of samples."""
        return len(self.catalog)


@dataclass(slots=True)
class Steps:
    """Seconds of all processors by title of a step, from the events that the audit tells."""

    began: float = field(default_factory=time.process_time)
    seconds: dict[str, float] = field(default_factory=dict)
    title: str = "start"

    def __call__(self, event: Mapping[str, Any]) -> None:
        if "title" in event:
            self.close()
            self.title = str(event["title"])

    def close(self) -> None:
        """End the step that is under way."""
        now = time.process_time()
        self.seconds[self.title] = self.seconds.get(self.title, 0.0) + now - self.began
        self.began = now


@contextmanager
def fresh_cache(folder: Path) -> Iterator[None]:
    """Nothing decoded for another folder is at hand."""
    known = os.environ.get("SNELLEN_CACHE")
    os.environ["SNELLEN_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("SNELLEN_CACHE")
        if known is not None:
            os.environ["SNELLEN_CACHE"] = known


def audited(folder: Path) -> Audited:
    """Run our audit on a folder, from a cold cache."""
    before = planted.fingerprint(folder)
    with tempfile.TemporaryDirectory() as place, fresh_cache(Path(place) / "cache"):
        steps = Steps()
        answer = snellen.audit(folder, out=Path(place) / "case", watch=steps)
        steps.close()
        case = Case(Path(place) / "case")
        told, catalog = case.audit, case.catalog
    return Audited(folder, answer["findings"], told, catalog, steps.seconds, planted.fingerprint(folder) == before)


def our_flags(findings: Sequence[Mapping[str, Any]]) -> Flags:
    """The samples that our rules name, by kind of fault. A rule that is not there names none."""
    samples = {
        kind: frozenset(path for finding in findings if finding["rule"] in rules for path in finding["samples"])
        for kind, rules in ANSWERS.items()
    }
    told = [(item["message"], frozenset(item["samples"])) for item in findings if item["rule"] == "shortcut_marker"]
    return Flags(samples, {"shortcut_marker": told})


def peer_flags(answer: Mapping[str, Any]) -> dict[str, Flags]:
    """The same of the peers; pairs of copies are sorted by us into splits and classes, which the peers do not know."""
    found = {}
    for name in ("cleanvision", "imagededup"):
        pairs, issues = answer[name]["pairs"], answer[name].get("issues", {})
        samples = {kind: frozenset(issues[issue]) for kind, issue in ISSUES.items() if issue in issues}
        for kind in planted.COPIES:
            near = pairs["near_duplicates"] if kind.startswith("near") else []
            samples[kind] = planted.paired([*pairs["exact_duplicates"], *near], kind)
        found[name] = Flags(samples, {})
    for name in (name for name in answer if name.startswith("cleanlab")):
        found[name] = Flags({"label_flip": frozenset(answer[name]["wrong"])}, {})
    return found


def ask_peers(
    python: str, folder: Path, rows: Sequence[Mapping[str, Any]], features: np.ndarray | None
) -> dict[str, Any]:
    """What the peers say of a folder; `features` [n, d] belong to `rows`."""
    with tempfile.TemporaryDirectory() as place:
        words = [python, str(PEERS), "--folder", str(folder)]
        if features is not None:
            np.save(Path(place) / "rows.npy", features)
            listed = {"paths": [row["path"] for row in rows], "labels": [row["target"] for row in rows]}
            (Path(place) / "rows.json").write_text(json.dumps(listed), encoding="utf-8")
            words += ["--embeddings", f"{place}/rows.npy", "--rows", f"{place}/rows.json"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, encoding="utf-8")
    if done.returncode:
        sys.exit(f"the peers failed on {folder.name}:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def judged(catalog: Catalog) -> Catalog:
    """The usable samples of the splits in which our audit judges labels: the peers are asked about the same."""
    rows = catalog.usable()
    if catalog.task != "classification" or not len(rows) or not catalog.has("embedding"):
        return rows.where([False] * len(rows))
    _, quality = quality_of(rows)
    splits = rows.column("split").astype(str)
    return rows.where(np.isin(splits, splits[np.isfinite(quality)]))


def quality_of(catalog: Catalog) -> tuple[str, np.ndarray]:
    """Name and values of the column by which our audit orders labels."""
    name = next(name for name in QUALITY if catalog.has(name))
    return name, catalog.column(name).astype(float)


def scored(
    item: Audited, faults: Sequence[Fault], flags: Mapping[str, Flags], half: str, original: Mapping[str, Flags]
) -> list[Any]:
    """One row for every kind of fault about whole images: {"kind", "rules", "tools": {tool: tally or None}}."""
    sides = planted.dealt(item.catalog.table.column("path").to_pylist())
    rows = []
    for kind in [kind for kind in ANSWERS if any(fault.kind == kind for fault in faults)]:
        tools: dict[str, Any] = {}
        for tool, told in flags.items():
            known = {Path(path).name for path in original[tool].samples.get(kind, ())} if tool in original else set()
            if kind in told.many:
                tools[tool] = planted.tally_marker(faults, told.many[kind], half=half).plain()
            elif kind in told.samples and kind != "shortcut_marker":
                found = planted.tally(kind, faults, told.samples[kind], half=half, sides=sides, original=known)
                tools[tool] = found.plain()
            else:
                tools[tool] = None
        rows.append({"kind": kind, "rules": list(ANSWERS[kind]), "tools": tools})
    return rows


def ranked(item: Audited, faults: Sequence[Fault], peers: Mapping[str, Any], half: str) -> dict[str, Any]:
    """How each tool orders the labels that are judged, ours by the catalog's column."""
    rows = judged(item.catalog)
    if not len(rows) or not any(fault.kind == "label_flip" for fault in faults):
        return {}
    paths = rows.table.column("path").to_pylist()
    sides = planted.dealt(item.catalog.table.column("path").to_pylist())
    name, values = quality_of(rows)
    orders = {f"snellen ({name})": values}
    orders |= {tool: np.asarray(answer["quality"]) for tool, answer in peers.items() if tool.startswith("cleanlab")}
    return {
        tool: planted.ranking(faults, paths, order.tolist(), half=half, sides=sides) for tool, order in orders.items()
    }


def alarms(item: Audited, peers: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Samples flagged per 100 images by rule or issue: warnings of ours, ours that only inform, and the peers'."""
    each = 100 / max(1, item.images)
    found: dict[str, dict[str, set[str]]] = {"snellen": {}, "snellen, info": {}}
    for finding in item.findings:
        tool = "snellen, info" if finding["severity"] == "info" else "snellen"
        found[tool].setdefault(finding["rule"], set()).update(finding["samples"])
    for tool, answer in peers.items():
        issues = {name: set(paths) for name, paths in answer.get("issues", {}).items()}
        pairs = {name: {path for pair in listed for path in pair} for name, listed in answer.get("pairs", {}).items()}
        found[tool] = {**issues, **pairs, **({"label": set(answer["wrong"])} if "wrong" in answer else {})}
    return {
        tool: {
            "any": each * len(set().union(*by.values())),
            **{name: each * len(paths) for name, paths in by.items() if paths},
        }
        for tool, by in found.items()
    }


def compared(item: Audited, python: str) -> dict[str, Any]:
    """The peers' answer for a folder, empty without an interpreter that has them."""
    if not python:
        return {}
    rows = judged(item.catalog)
    features = rows.column("embedding") if len(rows) else None
    return ask_peers(python, item.folder, rows.table.select(["path", "target"]).to_pylist(), features)


def examined(
    folder: Path, given: argparse.Namespace, original: Mapping[str, Flags]
) -> tuple[dict[str, Any], dict[str, Flags]]:
    """Everything that is told of one folder, and what each tool flags in it."""
    item = audited(folder)
    answer = compared(item, given.peer_python)
    peers = {name: value for name, value in answer.items() if name not in ("seconds", "versions", "licences")}
    flags = {"snellen": our_flags(item.findings), **(peer_flags(peers) if peers else {})}
    told: dict[str, Any] = {
        "task": item.catalog.task, "images": item.images, "intact": item.intact,
        "seconds": {"snellen": item.seconds, **answer.get("seconds", {})}, "clock": "processors",
        "rules": sorted({finding["rule"] for finding in item.findings}),
    }  # fmt: skip
    if (folder / planted.FAULTS).is_file():
        faults = planted.read_faults(folder)
        rows = scored(item, faults, flags, given.half, original) + objects(folder, item.told, item.catalog, given.half)
        told |= {"kinds": rows, "rankings": ranked(item, faults, peers, given.half)}
    else:
        told["alarms"] = alarms(item, peers)
    if answer:
        told["peers"] = {"versions": answer["versions"], "licences": answer["licences"]}
    return told, flags


def main() -> int:
    """Exit code 1 where a folder was changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="*", help="folders with a faults.json")
    parser.add_argument("--clean", type=Path, nargs="*", default=[], help="folders that nothing was planted in")
    parser.add_argument(
        "--peer-python", default="", help="an interpreter that has cleanvision, cleanlab and imagededup"
    )
    parser.add_argument(
        "--half", choices=tuple(HALVES), default="odd", help="which instances are scored (default: odd)"
    )
    given = parser.parse_args()
    told: dict[str, Any] = {}
    originals: dict[str, dict[str, Flags]] = {}
    for folder in [*given.clean, *given.folders]:
        folder = folder.resolve()
        print(f"{folder.name}:", flush=True)
        told[folder.name], flags = examined(folder, given, originals.get(folder.name.removesuffix("_faults"), {}))
        originals[folder.name] = flags
        print(printed(folder.name, told[folder.name]), flush=True)
        keep(told, given.half)
    return 0 if all(item["intact"] for item in told.values()) else 1


def keep(told: Mapping[str, Any], half: str) -> None:
    """Write what is known so far, with folders of earlier runs of the same half."""
    known = store.read_json(STORED) if STORED.is_file() else {}
    folders = known.get("folders", {}) if known.get("half") == half else {}
    speed = calibration()
    result = {
        # The table of ratios reads every result: this one has none.
        "script": "audit", "command": command("audit"), "ratios": [], "environment": environment(os.cpu_count() or 1),
        "calibration": {"gemm": speed.gemm, "memcpy": speed.memcpy}, "half": half, "folders": {**folders, **told},
    }  # fmt: skip
    store.write_json(STORED, result)
    write_page()


if __name__ == "__main__":
    sys.exit(main())
