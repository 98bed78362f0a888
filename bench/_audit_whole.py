"""AUDIT.md: what every script of the audit has stored, as one page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from _audit_page import PAGE, render, table
from _results import RESULTS, number
from snellen import store

FOLDERS_HEAD = """Written by `bench/audit_folders.py`: `snellen audit FOLDER` in a process of its own, from a cold cache. Findings are told by severity;
*unseen* counts the rules that say they could not look. Every file of a folder is hashed (MD5) before and after. Seconds are those of all
processors together, with starting and importing: the machine was not kept free of other work."""
SCALE_HEAD = """Written by `bench/audit_scale.py`. The images are blends of two real ones with other brightness and noise, one in twenty a changed copy
of another. Seconds of all processors for the steps whose cost could grow faster than the number of images. *index*: pairs that the reduced
embeddings propose, by an inverted file, and beside it what comparing all with all takes (not tried where it would take long); *register*: laying
these pairs upon each other, told for all of them from 1,000 of them; *near*: thumbnails in a tree, for the share of the planted copies behind it; *judge*: heads on the labels, clusters,
outliers, markers, the map; *rules*: all catalog rules. Decoding, measuring and embedding cost the same for every image by construction and are left out.
The slope is of log seconds over log images, over the last three sizes: 1 is linear, 2 quadratic."""
PASS_HEAD = """Written by `bench/audit_pass.py`, also in [RESULTS.md](RESULTS.md): both sides by turns in one process, in seconds of
all processors."""


def write_page(results: Path = RESULTS, page: Path = PAGE) -> None:
    """AUDIT.md anew from the stored results; a script that has stored none is left out."""
    stored = {path.stem: store.read_json(path) for path in sorted(results.glob("audit*.json"))}
    parts = [render(stored["audit"])] if "audit" in stored else ["# What the audit finds\n"]
    parts += [draw(stored[name]) for name, draw in SECTIONS.items() if name in stored]
    store.write_text(page, "\n".join(parts))


def folders(result: Mapping[str, Any]) -> str:
    """A row for every folder."""
    rows = [_folder(name, told) for name, told in sorted(result["folders"].items())]
    head = ["folder", "images", "task", "exit", "s", "s per 1000", "GB", "block / warn / info", "unseen", "page MB", "byte-identical"]  # fmt: skip
    return f"## Whole folders\n\n{FOLDERS_HEAD}\n\n{table(head, rows)}\n"


def _folder(name: str, told: Mapping[str, Any]) -> list[str]:
    same = "yes" if not told["changed"] else f"NO, {len(told['changed'])} of {told['files']}"
    if told["exit"]:
        return [name, "-", "-", str(told["exit"]), number(told["seconds"]), *("-",) * 5, same]
    counts = " / ".join(str(told["findings"][severity]) for severity in ("block", "warn", "info"))
    each = 1000 * told["seconds"] / max(1, told["images"])
    return [
        name, str(told["images"]), told["task"], "0", number(told["seconds"]), number(each), number(told["peak_bytes"] / 1e9),
        counts, str(len(told["unseen"])), number(told["page_bytes"] / 1e6), same,
    ]  # fmt: skip


def scale(result: Mapping[str, Any]) -> str:
    """A row for every size, and the slopes."""
    steps = result["steps"]
    rows = [[str(row["images"]), *(_seconds(row.get(step)) for step in steps), *_found(row)] for row in result["rows"]]
    rows.append(["slope", *(_seconds(result["slopes"].get(step)) for step in steps), "", "", ""])
    head = ["images", *(f"{step} (s)" for step in steps), "pairs", "copies found (near)", "copies proposed (index)"]
    return f"## Growing\n\n{SCALE_HEAD}\n\n{table(head, rows)}\n\n{result['note']}\n"


def _found(row: Mapping[str, Any]) -> list[str]:
    return [str(row["pairs"]), f"{row['found']:.1%}", f"{row['known']:.1%}"]


def _seconds(value: float | None) -> str:
    return "-" if value is None else number(value)


def passes(result: Mapping[str, Any]) -> str:
    """A row for every ratio."""
    rows = [
        [ratio["name"], f"{number(ratio['ours'])} {ratio['unit']}", f"{number(ratio['peer'])} {ratio['unit']}",
         ratio["goal"].replace("<=", "≤").replace(">=", "≥") or "none",
         f"{number(ratio['ratio'])} [{number(ratio['low'])}, {number(ratio['high'])}]", ratio["verdict"]]
        for ratio in result["ratios"]
    ]  # fmt: skip
    notes = "\n".join(f"- **{ratio['name']}**: {ratio['note']}" for ratio in result["ratios"])
    told = table(["what", "ours", "peer", "goal", "ratio [95 % interval]", "result"], rows)
    return f"## What a pass costs\n\n{PASS_HEAD}\n\n{told}\n\n{notes}\n"


SECTIONS = {"audit_folders": folders, "audit_pass": passes, "audit_scale": scale}
