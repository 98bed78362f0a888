"""One cell of the clinic: trained, examined, tested; then nothing, random remedies and our healing at equal compute."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from _clinic_bill import LEAST, Besides, Billed, billed, further
from _clinic_faults import drawn
from _clinic_ground import SETTING, Ground
from snellen.case import Case
from snellen.examine import diagnose
from snellen.improve.heal import heal
from snellen.improve.lab import Lab
from snellen.improve.pair import pair
from snellen.recipe import Recipe
from snellen.rows import Predictions
from snellen.run import Run
from snellen.shelf import REMEDIES
from snellen.ship.loaded import load
from snellen.values import Finding, Remedy, SnellenError, Verdict

WARNED = ("warn", "block")
METRIC = "accuracy"


def lab_of(ground: Ground, folder: Path, *, besides: bool = False) -> Billed:
    """A laboratory without a deadline, in which every training is billed; with `besides`, what is done between them too."""
    return Billed(
        Case(folder), ground.catalog, ground.pixels, SETTING, ground.cache, lambda event: None, lambda: False, None,
        besides=Besides(folder / "besides.jsonl") if besides else None,
    )  # fmt: skip


def look(lab: Billed, recipe: Recipe) -> dict[str, Any]:
    """Train, let the rules look, test. Times are processor seconds of this process."""
    run = lab.trained(recipe, recipe.seed)
    trained = time.process_time()
    findings = diagnose(run)
    examined = time.process_time()
    run.write_findings(findings)
    return {
        "found": severities(findings), "blind": sorted({item.rule for item in findings if not item.looked}),
        "cpu": {"train": round(lab.asked[run.folder.name], 2), "rules": round(examined - trained, 3)},
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
    """What the catalog rules say beyond what they say of the healthy data: another rule, or more images of one. A copy is the same
    image: whatever is said of the one is said of the other."""

    def counted(findings: Iterable[Finding]) -> dict[str, int]:
        count: dict[str, int] = {}
        for item in findings:
            # The id of a copy is that of its original with a number behind it.
            count[item.rule] = count.get(item.rule, 0) + max(
                1, len({sample.partition("~")[0] for sample in item.samples})
            )
        return count

    known, count = counted(healthy), counted(mine)
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


def arms(ground: Ground, folder: Path, recipe: Recipe, words: tuple[Any, ...]) -> dict[str, Any]:
    """The three arms, in one folder of runs, each with a bill of its own. What healing spent is what the others may spend."""
    healed = _heal(ground, folder, recipe)
    allowed = float(healed["seconds"])
    chance = drawn("random", *words)
    return {
        "heal": healed,
        "nothing": _nothing(lab_of(ground, folder), recipe, allowed),
        "random": _random(lab_of(ground, folder), recipe, ground.findings, allowed, chance),
        "improve": recipe.improve.model_dump(mode="json"), "least": LEAST,
    }  # fmt: skip


def _heal(ground: Ground, folder: Path, recipe: Recipe) -> dict[str, Any]:
    """Healing; what it came to is kept, because beside the runs of the other arms it could not be asked again."""
    lab = lab_of(ground, folder, besides=True)
    if (known := lab.case.read("healed")) is not None:
        return dict(known)
    first = lab.trained(recipe, recipe.seed)
    first.write_findings(diagnose(first))
    answer = heal(lab, recipe, ground.findings)
    lab.besides.note()
    told = {
        **scored(lab, answer.run), "runs": len(lab.asked), "seconds": round(lab.spent + lab.besides.seconds, 2),
        "planned": lab.case.read("looks"), "verdicts": [_told(lab, recipe, *one) for one in decided(lab.case.verdicts)],
    }  # fmt: skip
    lab.case.write("healed", told)
    return dict(lab.case.read("healed"))


def decided(verdicts: Iterable[Verdict]) -> list[tuple[Verdict, str]]:
    """Of every remedy that was tried on the whole network its verdict and what holds in the end: an adopted one that the
    ledger takes back later is "withdrawn"."""
    found: dict[tuple[str, ...], tuple[Verdict, str]] = {}
    for verdict in verdicts:
        if verdict.stage == "confirm" and verdict.seeds:
            trial = (verdict.remedy, verdict.finding, verdict.baseline, verdict.candidate)
            adopted = trial in found and found[trial][1] in ("adopt", "withdrawn")
            back = adopted and verdict.decision == "reject"
            found[trial] = (found[trial][0], "withdrawn") if back else (verdict, verdict.decision)
    return list(found.values())


def _told(lab: Lab, recipe: Recipe, verdict: Verdict, decision: str) -> dict[str, Any]:
    """A verdict, and what a remedy that stays adopted did on the test split with the same seeds."""
    about = {key: getattr(verdict, key) for key in ("remedy", "finding", "metric", "effect", "seeds")}
    about["decision"] = decision
    if decision != "adopt":
        return about
    seeds = range(recipe.seed, recipe.seed + verdict.seeds)
    rows = [[tested(lab, lab.case.run(arm, seed)) for seed in seeds] for arm in (verdict.baseline, verdict.candidate)]
    found = {metric: pair(*rows, metric=metric, level=0.95) for metric in {verdict.metric, METRIC}}
    return {**about, "test": {key: [round(x, 4) for x in (e.effect, e.low, e.high)] for key, e in found.items()}}


def _nothing(lab: Billed, recipe: Recipe, allowed: float) -> dict[str, Any]:
    """Further seeds of the recipe as it is; the best of them on validation."""
    tried = further(lab, ((recipe, recipe.seed + number) for number in count()), allowed)
    return {**_best(lab, tried), **billed(lab, len(tried), allowed)}


def _random(
    lab: Billed, recipe: Recipe, audit: Sequence[Finding], allowed: float, chance: random.Random
) -> dict[str, Any]:
    """The recipe, and it with one random remedy after another, a training each; the best of them on validation."""
    first = lab.trained(recipe, recipe.seed)
    proposals = proposed(recipe, (*audit, *first.findings))
    chosen = chance.sample(proposals, len(proposals))
    wanted = [recipe, *(recipe.change(remedy.patch) for remedy in chosen)]
    tried = further(lab, ((one, recipe.seed) for one in wanted), allowed)
    names = [remedy.name for remedy in chosen[: len(tried) - 1]]
    return {**_best(lab, tried), **billed(lab, len(tried), allowed), "tried": names}


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


def _best(lab: Lab, tried: Sequence[Run]) -> dict[str, Any]:
    best = max(tried, key=lambda run: float(run.cost["score"]))
    return {**scored(lab, best), "of": best.folder.name}
