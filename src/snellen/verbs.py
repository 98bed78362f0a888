"""The verbs: what the command line and `import snellen` offer alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from snellen import opening, prepare, survey
from snellen.budget import ending
from snellen.case import Case
from snellen.ending import end
from snellen.examine import diagnose as examine_run
from snellen.improve.heal import Healed
from snellen.improve.heal import heal as improve
from snellen.improve.lab import Lab
from snellen.improve.leak import leak_scores
from snellen.opening import Settings, Sources, path_of, paths_of
from snellen.pick import picked
from snellen.prepare import Plan
from snellen.recipe import Recipe
from snellen.report.page import write as write_report
from snellen.result import result
from snellen.run import Run
from snellen.soup import soup
from snellen.store import Journal
from snellen.temper import temper
from snellen.values import Finding, SnellenError

Watch = Callable[[Mapping[str, Any]], None]

# So few that a training of the demo's thousand small images costs a tenth of its budget at most: a machine half as fast, or a
# busy one, still has the time for the three further trainings of a first proof.
DEMO_EPOCHS = 7


def run(
    sources: Sources,
    *,
    out: str | Path | None = None,
    budget: float | None = None,
    recipe: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    heal: bool = True,
    resume: bool = False,
    lang: str = "en",
    watch: Watch = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """The whole path: examine, advise, train, heal, test once, ship, report. Returns what `--json` prints.

    `budget` in seconds (None: no limit); `changes` maps dotted recipe keys to values; `epochs` is the total over stages.
    Raises SnellenError for input or settings that cannot be used, Interrupted when `stop` said so.
    """
    began = time.monotonic()
    settings = Settings(paths_of(sources), budget, path_of(recipe), dict(changes or {}), epochs)
    case = opening.open_case(settings, out=path_of(out), resume=resume)
    settings = opening.settled(case, settings)
    if resume and (final := case.read("final")) and "gates" in final:
        report = write_report(case, lang=lang)
        return _store(case, result(case, _chosen(case), case.audit, report, seconds=final["seconds"]["total"]))
    plan = prepare.prepare(case, settings, watch=watch, began=began)
    lab = _lab(case, plan, budget, began, watch, stop)
    healed = _chosen(case) or (_improved(lab, plan) if heal else _train(lab, plan.recipe))
    finished = end(lab, healed, plan.findings, began=began)
    report = write_report(case, lang=lang)
    return _store(case, result(case, finished, plan.findings, report, seconds=time.monotonic() - began))


def audit(
    sources: Sources, *, out: str | Path | None = None, task: str | None = None, changes: Mapping[str, Any] | None = None,
    folds: int | None = None, lang: str = "en", watch: Watch = lambda event: None,
) -> dict[str, Any]:  # fmt: skip
    """Look at the data alone: read, measure, embed, let the catalog rules look, write the report.

    `task` is what the annotations are to be read for, where they serve several; `changes` maps dotted recipe keys to values, of which those
    under `data` count; `folds` deals what is not in the test split into so many folds (column `fold`, folds.csv). Raises
    SnellenError for what cannot be read or divided so.
    """
    began = time.monotonic()
    if folds is not None and folds < 2:
        raise SnellenError(f"{folds} folds were asked for, expected 2 or more")
    settings = Settings(paths_of(sources), changes=dict(changes or {}), task=task, folds=folds)
    case = opening.open_case(settings, out=path_of(out), resume=False)
    findings = survey.look(case, settings, watch=watch)
    report = write_report(case, lang=lang)
    return _store(case, result(case, None, findings, report, seconds=time.monotonic() - began))


def train(
    sources: Sources,
    *,
    out: str | Path | None = None,
    budget: float | None = None,
    recipe: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    resume: bool = False,
    lang: str = "en",
    watch: Watch = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Examine, advise and train once; no remedies, no test split, no export."""
    began = time.monotonic()
    settings = Settings(paths_of(sources), budget, path_of(recipe), dict(changes or {}), epochs)
    case = opening.open_case(settings, out=path_of(out), resume=resume)
    if case.read("test_opened") or "gates" in (case.read("final") or {}):
        raise SnellenError(
            f"{case.folder} has opened its test split already and is trained no further; read it with snellen report "
            f"{case.folder}, or begin a new case"
        )
    settings = opening.settled(case, settings)
    plan = prepare.prepare(case, settings, watch=watch, began=began)
    healed = _train(_lab(case, plan, budget, began, watch, stop), plan.recipe)
    leak = leak_scores(plan.catalog, {"val": healed.run.predictions("val")}, healed.recipe)
    case.write("final", {"run": healed.run.folder.name, "leak": leak, "seconds": {"train": healed.run.cost["seconds"]}})
    report = write_report(case, lang=lang)
    return _store(case, result(case, healed, plan.findings, report, seconds=time.monotonic() - began))


def diagnose(folder: str | Path) -> tuple[Finding, ...]:
    """Let the run rules look at a run (or at every run of a case) and store what they say."""
    case = Case(Path(folder))
    runs = case.runs or (Run.open(Path(folder)),)
    found: list[Finding] = []
    for item in runs:
        findings = examine_run(item)
        item.write_findings(findings)
        found.extend(findings)
    return tuple(found)


def heal(
    folder: str | Path,
    *,
    budget: float | None = None,
    lang: str = "en",
    watch: Watch = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Go on healing a case that was trained: remedies, test, export, report. A case whose test split was opened stays shut."""
    case = Case(Path(folder))
    known = case.read("settings")
    if known is None:
        raise SnellenError(f"{folder} is not a case; give the folder that snellen train wrote")
    if (case.read("final") or {}).get("test"):
        raise SnellenError(
            f"{folder} has opened its test split already; begin a new case with snellen run or snellen train"
        )
    settings = Settings.of(known)
    return run(
        settings.sources, out=folder, budget=budget, recipe=settings.recipe, changes=settings.changes,
        epochs=settings.epochs, resume=True, lang=lang, watch=watch, stop=stop,
    )  # fmt: skip


def ship(
    folder: str | Path, *, int8: bool = False, watch: Watch = lambda event: None
) -> list[dict[str, Any]]:  # fmt: skip
    """Export the final run of a case again and check it; returns the artifacts. `int8`: also with eight bits, compared with the
    whole file on validation images."""
    from snellen.ending import export, quantised
    from snellen.ship.gates import parity_gates

    case = Case(Path(folder))
    final = case.read("final")
    if final is None:
        raise SnellenError(f"{folder} has no final run yet; use snellen run or snellen train first")
    watch({"title": "export"})
    run = Run.open(case.folder / "runs" / final["run"])
    artifacts, latency = export(case, run)
    final = {**final, "artifacts": artifacts, "latency": latency}
    if "gates" in final:
        # What was exported before is no longer there to be judged.
        others = [gate for gate in final["gates"] if not gate["name"].startswith("parity_")]
        final["gates"] = [*others, *parity_gates(run.recipe.gates, artifacts)]
    if int8:
        watch({"title": "int8"})
        final["int8"] = quantised(case, run)
    case.write("final", final)
    return [*artifacts, *([final["int8"]] if int8 else [])]


def predict(
    folder: str | Path, images: Sources, *, out: str | Path, watch: Watch = lambda event: None
) -> dict[str, Any]:  # fmt: skip
    """Let the final run of a case answer new images; see `snellen.inference`."""
    from snellen.inference import predict as answers

    return answers(folder, paths_of(images), out=Path(out), watch=watch)


def validate(
    folder: str | Path, sources: Sources, *, out: str | Path | None = None, watch: Watch = lambda event: None
) -> dict[str, Any]:  # fmt: skip
    """Let the final run of a case answer labelled images of another origin; see `snellen.validation`."""
    from snellen.validation import validate as answers

    return answers(folder, paths_of(sources), out=path_of(out), watch=watch)


def report(folder: str | Path, *, lang: str = "en", out: str | Path | None = None) -> Path:
    """Write the report of a case."""
    if not (Path(folder) / "catalog.parquet").is_file():
        raise SnellenError(
            f"{folder} is not a case (there is no catalog.parquet in it); give a folder under snellen-runs"
        )
    return write_report(Case(Path(folder)), lang=lang, out=path_of(out))


def review(
    folder: str | Path, *, sample: int = 200, seed: int = 0, port: int = 0, lang: str = "en",
    told: Callable[[str], None] = print,
) -> Path:  # fmt: skip
    """Serve the review page of a case on 127.0.0.1 until Ctrl-C; `told` gets its address. Returns the file of decisions."""
    from snellen.report.review import ReviewServer, serve
    from snellen.report.review_desk import Desk

    desk = Desk(Case(Path(folder)), lang=lang, sample=sample, seed=seed)
    try:
        server = ReviewServer(desk, port=port)
    except OSError as error:
        raise SnellenError(f"port {port} of 127.0.0.1 cannot be used ({error.strerror}); leave --port out") from None
    told(server.address)
    serve(server)
    return desk.journal.path


def apply(folder: str | Path, *, review: str | Path | None = None) -> dict[str, Any]:
    """Write corrected.parquet (the catalog with the decisions of a review carried out) and corrected.json (what changed).

    `review` is a file of decisions (None: the case's own). Returns {"catalog": path, "samples": n, "changes": {kind: [...]}}.
    """
    from snellen.data.review import apply_review

    case = Case(Path(folder))
    decisions = Path(review) if review is not None else case.folder / "review.jsonl"
    if not decisions.is_file():
        raise SnellenError(
            f"{decisions} is missing; answer something with snellen review {folder} first, or give --review"
        )
    corrected, changes = apply_review(case.catalog, Journal(decisions).read())
    corrected.save(case.folder / "corrected.parquet")
    answer = {"catalog": str(case.folder / "corrected.parquet"), "samples": len(corrected), "changes": changes}
    case.write("corrected", answer)
    return answer


def demo(
    *, out: str | Path | None = None, budget: float = 240.0, lang: str = "en", watch: Watch = lambda event: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:  # fmt: skip
    """`run` on the embedded dataset with faults planted by a seeded script; tells which of them were found."""
    from snellen.data.planted import FOUND_BY, plant
    from snellen.result import found_of_planted

    place = Path(out) if out else opening.fresh_folder("demo")
    images = place / "images"
    planted = plant(images)
    watch({"title": f"embedded data with planted faults in {images}"})
    # Real faults are 1.3 % of the demo's images: the default limit of 1 % would rightly stop.
    answer = run(
        images, out=place / "case", budget=budget, changes={"data.max_bad": 0.03}, epochs=DEMO_EPOCHS, lang=lang, watch=watch,
        stop=stop,
    )  # fmt: skip
    return {**answer, "planted": found_of_planted(planted, FOUND_BY, answer["findings"])}


def _improved(lab: Lab, plan: Plan) -> Healed:
    """Train and heal; then what needs no proof: the average of the runs or the best of them, and the temperature."""
    return temper(lab, picked(lab, soup(lab, improve_after_training(lab, plan))))


def improve_after_training(lab: Lab, plan: Plan) -> Healed:
    """Train, let the rules look, then try the remedies."""
    first = _train(lab, plan.recipe)
    return improve(lab, first.recipe, plan.findings)


def _chosen(case: Case) -> Healed | None:
    """The run of a finished case, or the one that the test split was opened for: from then on nothing is chosen any more."""
    final = case.read("final") or {}
    known = final if "gates" in final else case.read("test_opened")
    if known is None:
        return None
    chosen = Run.open(case.folder / "runs" / known["run"])
    return Healed(chosen.recipe, chosen, case.verdicts)


def _train(lab: Lab, recipe: Recipe) -> Healed:
    trained = lab.trained(recipe, recipe.seed, title="train")
    trained.write_findings(examine_run(trained))
    return Healed(recipe, trained, lab.case.verdicts)


def _lab(case: Case, plan: Plan, budget: float | None, began: float, watch: Watch, stop: Callable[[], bool]) -> Lab:
    # What comes after the healing: test, Grad-CAM, export, latency, report.
    deadline = None if budget is None else began + budget - ending(budget)
    experience = opening.cache_folder() / "experience.jsonl"
    return Lab(case, plan.catalog, plan.pixels, plan.setting, case.folder / "cache", watch, stop, deadline, experience)


def _store(case: Case, answer: dict[str, Any]) -> dict[str, Any]:
    case.write("result", answer)
    return answer
