"""What the sabotages share: the program's answer, the runs of its case, what was said and tried, and doing nothing beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snellen.case import Case
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.run import Run

VERDICT = ("remedy", "finding", "metric", "effect", "low", "high", "decision")


def snellen(data: Path, out: Path, options: list[str]) -> dict[str, Any]:
    """What `snellen run --json` prints; raises SystemExit with what it said where it could not be done."""
    command = [sys.executable, "-m", "snellen", "run", str(data), "--out", str(out), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def first_run(case: Path) -> Run:
    """The run of the recipe that was planned, before any remedy; averages of its seeds have the same recipe and are not it."""
    plan = Recipe.make(Case(case).read("plan")["recipe"])
    return Case(case).run(plan.id, plan.seed)


def final(case: Path) -> Run:
    """The run that was handed over."""
    return Run(case / "runs" / Case(case).read("final")["run"])


def rows(run: Run) -> Rows:
    """Validation and test images together: what the comparison has most power on."""
    joined: Rows = run.predictions("val").joined(run.predictions("test"))
    return joined


def again(data: Path, out: Path, first: Run, options: list[str], *, seed: int) -> dict[str, Any]:
    """The recipe of the first run once more, with no remedy; `options` come after it."""
    path = out.parent / "first.yaml"
    first.recipe.save(path)
    return snellen(data, out, ["--recipe", str(path), "--seed", str(seed), "--no-heal", *options])


def seed_after_seed(data: Path, folder: Path, first: Run, seconds: float) -> tuple[Run, int]:
    """The recipe of the first run, as many seeds as fill the time; the run that is best on validation, and how many there are."""
    runs: list[Run] = []
    spent = 0.0
    # The last one is begun where at least half of it fits.
    while not runs or spent + 0.5 * spent / len(runs) < seconds:
        case = folder / f"control-{len(runs)}"
        spent += float(again(data, case, first, [], seed=first.recipe.seed + len(runs))["seconds"])
        runs.append(final(case))
    return max(runs, key=lambda run: run.cost["score"]), len(runs)


def spoken(answer: Mapping[str, Any], first: Run) -> set[str]:
    """Rules that warned of the first run or of the data."""
    said = {finding.rule for finding in first.findings if finding.severity != "info"}
    return said | {finding["rule"] for finding in answer["findings"] if finding["severity"] != "info"}


def tried(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Remedies with what was decided of them."""
    return [{key: verdict[key] for key in VERDICT} for verdict in answer["verdicts"]]
