"""One cell of the clinic: trained, examined, tested; then nothing, a random remedy and our healing at equal compute."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _clinic_faults import drawn
from _clinic_ground import SETTING, Ground
from snellen.case import Case
from snellen.examine import diagnose
from snellen.improve.effort import effort
from snellen.improve.heal import heal
from snellen.improve.lab import Lab
from snellen.improve.pair import pair
from snellen.improve.screen import head_only
from snellen.recipe import Recipe
from snellen.rows import Predictions
from snellen.run import Run
from snellen.shelf import REMEDIES
from snellen.ship.loaded import load
from snellen.values import Finding, Remedy, SnellenError, Verdict

WARNED = ("warn", "block")
METRIC = "accuracy"


def lab_of(ground: Ground, folder: Path) -> Lab:
    """A laboratory without a deadline: what an arm may spend is counted in images, not in seconds of a shared machine."""
    return Lab(
        Case(folder), ground.catalog, ground.pixels, SETTING, ground.cache, lambda event: None, lambda: False, None
    )


def look(lab: Lab, recipe: Recipe) -> dict[str, Any]:
    """Train, let the rules look, test. Times are processor seconds of this process."""
    before = time.process_time()
    run = lab.trained(recipe, recipe.seed)
    trained = time.process_time()
    findings = diagnose(run)
    examined = time.process_time()
    run.write_findings(findings)
    return {
        "found": severities(findings), "blind": sorted({item.rule for item in findings if not item.looked}),
        "cpu": {"train": round(trained - before, 2), "rules": round(examined - trained, 3)},
        "steps": run.cost["steps"], "stopped": run.cost["stopped"], "recipe": recipe.id, **scored(lab, run),
    }  # fmt: skip


def severities(findings: Iterable[Finding]) -> dict[str, str]:
    """The worst severity of every rule that looked and found something."""
    order = ("info", *WARNED)
    found: dict[str, str] = {}
    for item in findings:
        if item.looked and order.index(item.severity) >= order.index(found.get(item.rule, "info")):
            found[item.rule] = item.severity
    return found


def fresh(mine: Iterable[Finding], healthy: Iterable[Finding]) -> dict[str, str]:
    """What the catalog rules say beyond what they say of the healthy data: another rule, or more samples of one."""
    known: dict[str, int] = {}
    for item in healthy:
        known[item.rule] = known.get(item.rule, 0) + max(1, len(item.samples))
    count: dict[str, int] = {}
    for item in mine:
        count[item.rule] = count.get(item.rule, 0) + max(1, len(item.samples))
    return severities(item for item in mine if count[item.rule] > known.get(item.rule, 0))


def scored(lab: Lab, run: Run) -> dict[str, Any]:
    """Accuracy of the kept weights on validation and on the test split, and which test images were right (packed bits)."""
    rows = tested(lab, run)
    val = run.predictions("val")
    return {
        "val": round(float(val.correct.mean()), 4), "test": round(float(rows.correct.mean()), 4),
        "right": np.packbits(rows.correct).tobytes().hex(), "n": len(rows.ids),
    }  # fmt: skip


def tested(lab: Lab, run: Run) -> Predictions:
    """Rows of the test split, made once; the weights are let go then, because hundreds of them would fill the disk."""
    if not (run.folder / "predictions" / "test.parquet").is_file():
        run.write_predictions("test", load(run).predict(lab.catalog.usable().of("test"), lab.pixels))
        shutil.rmtree(run.folder / "checkpoints")
    rows: Predictions = run.predictions("test")
    return rows


def arms(lab: Lab, recipe: Recipe, audit: Sequence[Finding], words: tuple[Any, ...]) -> dict[str, Any]:
    """The three arms. What healing spent is what the others may spend."""
    healed = _heal(lab, recipe, audit)
    spent = float(healed["effort"])
    return {
        "heal": healed,
        "nothing": _nothing(lab, recipe, spent),
        "random": _random(lab, recipe, audit, spent, drawn("random", *words)),
    }


def _heal(lab: Lab, recipe: Recipe, audit: Sequence[Finding]) -> dict[str, Any]:
    first = lab.trained(recipe, recipe.seed)
    first.write_findings(diagnose(first))
    answer = heal(lab, recipe, audit)
    verdicts = [verdict for verdict in lab.case.verdicts if verdict.stage == "confirm" and verdict.seeds]
    heads = len(list((lab.case.folder / "screen").glob("*/predictions/val.parquet")))
    runs = [run for run in lab.case.runs if run.done]
    return {
        **scored(lab, answer.run), "runs": len(runs),
        "effort": round(sum(effort(run.recipe) for run in runs) + heads * effort(head_only(recipe)), 2),
        "verdicts": [_told(lab, verdict) for verdict in verdicts],
    }  # fmt: skip


def _told(lab: Lab, verdict: Verdict) -> dict[str, Any]:
    """A verdict, and what the remedy did on the test split with the same seeds."""
    about = {key: getattr(verdict, key) for key in ("remedy", "finding", "metric", "decision", "effect", "seeds")}
    if verdict.decision != "adopt":
        return about
    seeds = [run.recipe.seed for run in lab.case.runs if run.folder.name.startswith(f"{verdict.candidate}-s")]
    rows = [
        [tested(lab, lab.case.run(recipe, seed)) for seed in sorted(seeds)[: verdict.seeds]]
        for recipe in (verdict.baseline, verdict.candidate)
    ]
    found = {metric: pair(*rows, metric=metric, level=0.95) for metric in {verdict.metric, METRIC}}
    return {**about, "test": {key: [round(x, 4) for x in (e.effect, e.low, e.high)] for key, e in found.items()}}


def _nothing(lab: Lab, recipe: Recipe, spent: float) -> dict[str, Any]:
    """Further seeds of the recipe as it is; the best of them on validation."""
    count = max(1, round(spent / effort(recipe)))
    tried = [lab.trained(recipe, recipe.seed + number) for number in range(count)]
    return _best(lab, tried, count * effort(recipe))


def _random(lab: Lab, recipe: Recipe, audit: Sequence[Finding], spent: float, chance: random.Random) -> dict[str, Any]:
    """The recipe, and it with one random remedy after another, a training each; the best of them on validation."""
    first = lab.trained(recipe, recipe.seed)
    tried, used, names = [first], effort(recipe), []
    proposals = proposed(recipe, (*audit, *first.findings))
    for remedy in chance.sample(proposals, len(proposals)):
        candidate = recipe.change(remedy.patch)
        # The last one is begun where at least half of it fits.
        if used + effort(candidate) / 2 <= spent:
            tried.append(lab.trained(candidate, recipe.seed))
            used += effort(candidate)
            names.append(remedy.name)
    return {**_best(lab, tried, used), "tried": names}


def proposed(recipe: Recipe, findings: Sequence[Finding]) -> list[Remedy]:
    """What every remedy of the shelf would do to the recipe, asked for or not; those that would do nothing are left out."""
    found: dict[str, Remedy] = {}
    for name in REMEDIES.names():
        module = REMEDIES.module(name)
        asked = [item for item in findings if item.rule in module.CURES and item.severity in WARNED and item.looked]
        for finding in [*asked[:1], *_made_up(module.CURES)]:
            remedy = getattr(module, name)(finding, recipe) if REMEDIES.serves(name, recipe.task) else None
            if remedy is not None and _works(recipe, remedy):
                found.setdefault(name, remedy)
    return list(found.values())


def _made_up(cures: Sequence[str]) -> Iterable[Finding]:
    evidence: Mapping[str, Any] = {
        "kind": "low_rate", "place": 3, "condition": "brightness", "direction": "low", "class": "",
    }  # fmt: skip
    return [Finding(rule=rule, severity="warn", message="1", evidence=evidence) for rule in cures[:1]]


def _works(recipe: Recipe, remedy: Remedy) -> bool:
    try:
        changed = recipe.change(remedy.patch).resolve()
    except SnellenError:
        return False
    return changed.refused() is None and changed.id != recipe.id


def _best(lab: Lab, tried: Sequence[Run], used: float) -> dict[str, Any]:
    best = max(tried, key=lambda run: float(run.cost["score"]))
    return {**scored(lab, best), "runs": len(tried), "effort": round(used, 2), "of": best.folder.name}
