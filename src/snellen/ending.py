"""The ending: the test split opened once, pictures, export with its parity check, latency, gates."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels, open_pixels
from snellen.improve.heal import Healed
from snellen.improve.lab import Lab
from snellen.improve.leak import leak_scores
from snellen.opening import cache_folder
from snellen.rows import Rows
from snellen.run import Run
from snellen.shelf import PICTURES, TASKS
from snellen.ship.answer import Answer
from snellen.ship.bundle import ship
from snellen.ship.gates import gates
from snellen.ship.loaded import Loaded, load
from snellen.tasks._retrieval import retrieval
from snellen.train.job import normal_of, usable_for
from snellen.train.retrieved import embeds
from snellen.values import Finding, SnellenError

# Images that the file must answer as the model does; seconds of timing it, at most, at least and of a budget between; where
# the budget is below SHORT, half as many images are shown to the file.
PARITY_ROWS = 64
TIMING, LEAST_TIMING, TIMING_SHARE = 4.0, 0.5, 0.01
SHORT = 300.0


def end(lab: Lab, healed: Healed, audit: Sequence[Finding], *, began: float) -> Healed:
    """Measure the final run on the test split, draw its pictures, export it and judge the gates; writes final.json."""
    lab.watch({"title": "test, export, report"})
    case, run = lab.case, healed.run
    loaded = load(run)
    usable = usable_for(loaded.recipe, lab.catalog)
    rows = _open_test(case, loaded, usable, lab.pixels)
    val = run.predictions("val")
    measured = {"val": dict(loaded.task.measure(val))}
    if rows is not None:
        measured |= {"test": dict(loaded.task.measure(rows)), "val_test": loaded.task.measure(val.joined(rows))}
    if embeds(loaded.recipe.loss.name):
        measured["val"] |= {name: row for name, row in run.signals("retrieval")[-1].items() if isinstance(row, Mapping)}
        if rows is not None:
            features = loaded.features(usable.of("test"), lab.pixels)
            measured["test"] |= retrieval(features, loaded.task.target(usable.of("test"), loaded.classes))
    leak = leak_scores(lab.catalog, {"val": val, **({"test": rows} if rows is not None else {})}, loaded.recipe)
    draw = PICTURES.pick(TASKS.constant(loaded.recipe.task, "PICTURES"))
    draw(case, loaded, usable, lab.pixels, rows or val, tell=lambda words: lab.watch({"notice": words}))
    artifacts, latency = export(case, run, lab.catalog, lab.pixels, loaded=loaded)
    standing = _standing((*audit, *run.findings), loaded.recipe.data.drop)
    metric = loaded.recipe.metric
    passed = gates(
        loaded.recipe.gates, metric, measured.get("test", {}).get(metric), _guess(loaded, rows), artifacts, standing
    )
    case.write(
        "final",
        {
            "run": run.folder.name, **measured, "leak": leak, "gates": passed, "artifacts": artifacts, "latency": latency,
            "seconds": {"train": run.cost["seconds"], "total": time.monotonic() - began},
        },
    )  # fmt: skip
    return healed


def _open_test(case: Case, loaded: Loaded, usable: Catalog, pixels: Pixels) -> Rows | None:
    """Predict the test split with the final run, once in the life of a case."""
    opened = case.read("test_opened")
    name = loaded.run.folder.name
    if opened is not None and opened["run"] != name:
        raise SnellenError(
            f"the test split of {case.folder} was opened for run {opened['run']}; a second model may not be chosen by it. "
            "Begin a new case with other data held out"
        )
    if not len(usable.of("test")):
        return None
    if opened is None:
        case.write("test_opened", {"run": name})
    # A crash may lie between the two: the same run predicts the same.
    if not (loaded.run.folder / "predictions" / "test.parquet").is_file():
        loaded.run.write_predictions("test", loaded.predict(usable.of("test"), pixels))
    rows: Rows = loaded.run.predictions("test")
    return rows


def _standing(findings: Sequence[Finding], dropped: Sequence[str]) -> tuple[Finding, ...]:
    """Without leaks whose training side is left out."""
    gone = set(dropped)
    return tuple(f for f in findings if not (f.rule == "leakage" and f.samples and gone.issuperset(f.samples)))


def _guess(loaded: Loaded, rows: Rows | None) -> float:
    """The metric's value of the task's trivial answer (for classes: always the largest one)."""
    return 0.0 if rows is None else float(loaded.task.guess(rows, loaded.run.catalog, loaded.recipe.metric))


def quantised(case: Case, run: Run) -> dict[str, Any]:
    """Write and judge model.int8.onnx of a run whose model.onnx is there; see ship/int8."""
    from snellen.ship.int8 import RANGED, int8

    loaded = load(run)
    catalog, pixels = open_pixels(run.catalog, size=loaded.size, cache=cache_folder())
    usable = usable_for(loaded.recipe, catalog)
    train = usable.of("train")
    # Spread over all of them: neighbours in the catalog may be of one class.
    some = train.take(np.unique(np.linspace(0, len(train) - 1, min(len(train), RANGED)).astype(int)))
    budget = (case.read("settings") or {}).get("budget")
    return int8(
        loaded, case.folder / "model.onnx", loaded.images(some, pixels), loaded.samples(usable.of("val"), pixels), seconds=timing(budget),
    )  # fmt: skip


def timing(budget: float | None) -> float:
    """Seconds for which the latency is measured."""
    return TIMING if budget is None else min(TIMING, max(LEAST_TIMING, TIMING_SHARE * budget))


def export(
    case: Case, run: Run, catalog: Catalog | None = None, pixels: Pixels | None = None, *, loaded: Loaded | None = None
) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """Write and check model.onnx of a run; returns (artifacts, eager latencies). `loaded`: the run's model where it is at hand."""
    budget = (case.read("settings") or {}).get("budget")
    loaded = loaded or load(run)
    if catalog is None or pixels is None:
        catalog, pixels = open_pixels(run.catalog, size=loaded.size, cache=cache_folder())
    usable = catalog.usable().of("val")
    shown = PARITY_ROWS if budget is None or budget >= SHORT else PARITY_ROWS // 2
    images = loaded.images(usable.take(np.arange(min(len(usable), shown))), pixels)
    mean, std = normal_of(loaded.model)
    about = {
        "task": loaded.recipe.task,
        "recipe": loaded.recipe.id,
        "model": loaded.recipe.model.name,
        "run": run.folder.name,
    }
    artifact, eager = ship(
        loaded.model, folder=case.folder, size=loaded.size, classes=loaded.classes, mean=mean, std=std, images=images,
        about=about, tolerance=loaded.recipe.gates.parity, answer=Answer.by(loaded.task), seconds=timing(budget),
    )  # fmt: skip
    return [{**artifact, "path": Path(artifact["path"]).name}], [eager]
