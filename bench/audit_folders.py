"""The audit on whole folders: whether it ends well, what it takes, how much it says, and whether the folder stays as it was.

    python bench/audit_folders.py FOLDER… [--keep CASES] [--again]

Each folder is audited by `snellen audit FOLDER --json` in a process of its own, from a cold cache. Every file of it is hashed before
and after. A folder that was measured before is passed over but for --again; with --keep the cases stay in CASES, to be looked at.
Writes results/audit_folders.json and AUDIT.md; exit code 1 where an audit failed, wrote no page, or changed a file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from _audit_whole import write_page
from _command import command
from _results import RESULTS, environment
from _rounds import calibration
from snellen import store
from snellen.case import Case

STORED = RESULTS / "audit_folders.json"


def hashes(folder: Path) -> dict[str, str]:
    """MD5 of every file below a folder by its path there."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def spent() -> float:
    """Seconds of all processors that ended child processes have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def audited(folder: Path, case: Path) -> dict[str, Any]:
    """What one audit did."""
    before = hashes(folder)
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as cache:
        words = [sys.executable, "-m", "snellen", "audit", str(folder), "--out", str(case), "--json"]
        began = spent()
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, encoding="utf-8", env={**os.environ, "SNELLEN_CACHE": cache}
        )  # fmt: skip
        seconds = spent() - began
    after = hashes(folder)
    told: dict[str, Any] = {
        "files": len(before), "exit": done.returncode, "seconds": seconds,
        "changed": sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)),
        "error": "" if done.returncode == 0 else done.stderr[-2000:],
    }  # fmt: skip
    return told | (_answer(json.loads(done.stdout), case) if done.returncode == 0 else {})


def _answer(answer: dict[str, Any], case: Path) -> dict[str, Any]:
    page, told = Path(answer["report"]), Case(case)
    seen = [item for item in told.audit if item.looked]
    severities = Counter(item.severity for item in seen)
    return {
        "task": answer["task"], "images": len(told.catalog),
        "peak_bytes": answer["peak_bytes"], "findings": {name: severities[name] for name in ("block", "warn", "info")},
        "rules": sorted({item.rule for item in seen}),
        "unseen": sorted({item.rule for item in told.audit} - {item.rule for item in seen}),
        "page_bytes": page.stat().st_size if page.is_file() else 0,
    }  # fmt: skip


def sound(told: dict[str, Any]) -> bool:
    """Whether the audit ended well, with a page, and left the folder as it was."""
    return told["exit"] == 0 and not told["changed"] and told["page_bytes"] > 0


def main() -> int:
    """Exit code 1 where some folder is not sound."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--keep", type=Path, default=None, help="where the cases are kept (default: nowhere)")
    parser.add_argument("--again", action="store_true", help="measure folders that were measured before, too")
    given = parser.parse_args()
    known = measured()
    asked = [folder.resolve() for folder in given.folders]
    for folder in asked:
        if folder.name in known and sound(known[folder.name]) and not given.again:
            continue
        with tempfile.TemporaryDirectory(prefix="snellen-bench-") as place:
            known[folder.name] = audited(folder, (given.keep or Path(place)) / folder.name)
        # Another process may have written meanwhile.
        keep(measured() | {folder.name: known[folder.name]})
        print(folder.name, json.dumps(known[folder.name]), flush=True)
    return 0 if all(sound(known[folder.name]) for folder in asked) else 1


def measured() -> dict[str, Any]:
    """What is stored of earlier folders, by name."""
    return dict(store.read_json(STORED)["folders"]) if STORED.is_file() else {}


def keep(folders: dict[str, Any]) -> None:
    """Write what is known so far."""
    speed = calibration()
    result = {
        # The table of ratios reads every result: this one has none.
        "script": "audit_folders", "command": command("audit_folders"), "ratios": [],
        "environment": environment(os.cpu_count() or 1),
        "calibration": {"gemm": speed.gemm, "memcpy": speed.memcpy}, "folders": dict(sorted(folders.items())),
    }  # fmt: skip
    store.write_json(STORED, result)
    write_page()


if __name__ == "__main__":
    sys.exit(main())
