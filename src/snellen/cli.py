"""The command line: one short function per verb; heavy imports inside."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from snellen.cli_augment import expand, policy
from snellen.cli_experiments import compare_models, compare_optimizers, list_models, lr_range, search

app = typer.Typer(
    name="snellen",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Snellen examines, trains, corrects and ships image models, and proves by paired experiments that its remedies "
    "help.\n\nExamples:\n\n  snellen run photos/ --budget 10m\n\n  snellen audit photos/\n\n"
    "  snellen run photos/ --set optim.lr=3e-4 --epochs 20 --lang zh\n\n  snellen demo",
)

DATA = Annotated[list[Path], typer.Argument(help="Folders of images (class folders, with or without train/val/test) or a CSV or Parquet list.")]  # fmt: skip
OUT = Annotated[Path | None, typer.Option("--out", help="Folder for everything that is written. Default: snellen-runs/NAME-TIME.")]  # fmt: skip
BUDGET = Annotated[
    str | None, typer.Option("--budget", help="Time for the whole path: 90s, 10m, 1h30m. Default: no limit.")
]
RECIPE = Annotated[Path | None, typer.Option("--recipe", help="YAML recipe; what it leaves out is advised.")]
SET = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe, e.g. optim.lr=3e-4 or augment.parts=[]. May repeat.")]  # fmt: skip
STAGES = Annotated[str | None, typer.Option("--stages", help="Epochs by stage: head=10,last=5,all=20. A stage left out is not run.")]  # fmt: skip
EPOCHS = Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs over all stages, shared out as advised.")]
MODEL = Annotated[str | None, typer.Option("--model", help="Any timm model name.")]
TASK = Annotated[str | None, typer.Option("--task", help="What to train for. Default: what the annotations are for.")]
SEED = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the run.")]
RESUME = Annotated[bool, typer.Option("--resume", help="Go on where a stopped or killed run left off.")]
LANG = Annotated[str, typer.Option("--lang", help="Language of the report: en or zh.")]
JSON = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on standard output.")]
CASE = Annotated[Path, typer.Argument(help="A folder that snellen run or snellen train wrote.")]
KIND = Annotated[str | None, typer.Option("--task", help="What the annotations are for, where they serve several: classification, multilabel, detection, instance, keypoints, segmentation or restoration.")]  # fmt: skip
SPLIT = Annotated[str | None, typer.Option("--split", help="How val and test are taken where the data has none: random (default), time, or time=COLUMN (the latest are held out).")]  # fmt: skip
SAMPLE = Annotated[int, typer.Option("--sample", min=0, help="Number of random samples on the review page.")]
PARTS = Annotated[
    Path | None, typer.Option("--parts", help="Folder with your own parts (losses/, rules/run/, remedies/, …).")
]


@app.command()
def run(
    data: DATA, out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, stages: STAGES = None,
    epochs: EPOCHS = None, task: TASK = None, model: MODEL = None, seed: SEED = None, resume: RESUME = False, lang: LANG = "en",
    json: JSON = False, parts: PARTS = None, split: SPLIT = None,
    no_heal: Annotated[bool, typer.Option("--no-heal", help="Train once; try no remedies.")] = False,
) -> None:  # fmt: skip
    """The whole path: audit, advise, train, heal with proof, test once, export, report.

    Example: snellen run photos/ --budget 10m
    """
    changes = _changes(set_, model, seed, task) | _split(split)
    _do(
        "run", json, parts, recipe, sources=data, out=out, budget=_seconds(budget), recipe=recipe, lang=_lang(lang),
        changes=changes | _stages(stages), epochs=epochs, heal=not no_heal, resume=resume,
    )  # fmt: skip


@app.command()
def audit(
    data: DATA, out: OUT = None, lang: LANG = "en", json: JSON = False, parts: PARTS = None, task: KIND = None,
    split: SPLIT = None,
    folds: Annotated[int | None, typer.Option("--folds", min=2, help="Deal all but the test split into so many folds: folds.csv.")] = None,
    review: Annotated[bool, typer.Option("--review", help="Then serve the review page, as snellen review does.")] = False,
    sample: SAMPLE = 200,
    apply: Annotated[Path | None, typer.Option("--apply", help="Then carry out the decisions of a review.jsonl.")] = None,
) -> None:  # fmt: skip
    """Look at the data alone; list what is wrong with it.

    Example: snellen audit photos/ --json

    Example: snellen audit photos/ --task detection --split time --folds 5
    """
    if apply and not apply.is_file():
        raise typer.BadParameter(f"{apply} is not a file", param_hint="--apply")
    case = Path(_do(
        "audit", json, parts, None, sources=data, out=out, lang=_lang(lang), task=task, changes=_split(split), folds=folds,
        stop=None,
    )["run"])  # fmt: skip
    if apply:
        _apply(case, apply, show=not json)
    if review:
        _review(case, sample=sample, seed=0, port=0, lang=_lang(lang))


@app.command()
def review(
    folder: CASE, sample: SAMPLE = 200, lang: LANG = "en",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random samples.")] = 0,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of 127.0.0.1. Default: a free one.")] = 0,
) -> None:  # fmt: skip
    """Serve a page on this machine to judge random samples and every finding by hand; Ctrl-C ends it.

    Example: snellen review snellen-runs/photos-20260101-120000
    """
    _review(folder, sample=sample, seed=seed, port=port, lang=_lang(lang))


@app.command()
def apply(
    folder: CASE, json: JSON = False,
    review: Annotated[Path | None, typer.Option("--review", help="File of decisions. Default: the case's review.jsonl.")] = None,
) -> None:  # fmt: skip
    """Carry out the decisions of a review: write corrected.parquet and corrected.json into the case.

    Example: snellen apply snellen-runs/photos-20260101-120000
    """
    _apply(folder, review, json=json)


@app.command()
def train(
    data: DATA, out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, stages: STAGES = None,
    epochs: EPOCHS = None, task: TASK = None, model: MODEL = None, seed: SEED = None, resume: RESUME = False, lang: LANG = "en",
    json: JSON = False, parts: PARTS = None, split: SPLIT = None,
) -> None:  # fmt: skip
    """Audit, advise and train once, without remedies, test or export.

    Example: snellen train photos/ --set optim.lr=3e-4 --out case
    """
    _do(
        "train", json, parts, recipe, sources=data, out=out, budget=_seconds(budget), recipe=recipe, lang=_lang(lang),
        changes=_changes(set_, model, seed, task) | _split(split) | _stages(stages), epochs=epochs, resume=resume,
    )  # fmt: skip


@app.command()
def diagnose(
    path: Annotated[Path, typer.Argument(help="A folder of Snellen, or the log (or its folder) of Ultralytics, Lightning, Hugging Face, Keras, fastai, timm, MMEngine, Paddle, TensorBoard, or any table with a loss.")],
    json: JSON = False, parts: PARTS = None,
    classes: Annotated[int | None, typer.Option("--classes", help="Another tool's log: number of classes; says that its loss is a cross-entropy.")] = None,
    fail_on: Annotated[str | None, typer.Option("--fail-on", help="End with exit code 1 where there is a finding of this severity or above: warn or block.")] = None,
) -> None:  # fmt: skip
    """Let the rules read a finished training, ours or another tool's, and name what is wrong.

    Example: snellen diagnose lightning_logs/version_0
    """
    from snellen import show
    from snellen.entry import severe

    limit = _usage(severe, fail_on)
    with _ready(parts, None, light=True) as (_, console):
        from snellen.case import Case
        from snellen.second_opinion import second_opinion

        if Case(path).holds_runs:
            from snellen import verbs

            findings = verbs.diagnose(path)
            found = [finding.severity for finding in findings]
            show.findings(findings, console=console, json=json)
        else:
            answer = second_opinion(path, classes=classes)
            found = [item["severity"] for item in answer["findings"]]
            show.opinion(answer, json=json)
    if limit.intersection(found):
        raise typer.Exit(1)


@app.command()
def explain(
    rule: Annotated[str, typer.Argument(help="Name of a rule, as findings give it.")], lang: LANG = "en", json: JSON = False, parts: PARTS = None,
) -> None:  # fmt: skip
    """Print a rule's page: what it does, why it matters, its limits, the remedies that answer it, its source.

    Example: snellen explain overfitting --lang zh
    """
    from snellen import show

    with _ready(parts, None, light=True):
        from snellen.report.explain import explained

        page = explained(rule, lang=_lang(lang))
    show.page(page, json=json)


@app.command()
def heal(folder: CASE, budget: BUDGET = None, lang: LANG = "en", json: JSON = False, parts: PARTS = None) -> None:
    """Go on after snellen train: try remedies, prove them, test once, export, report.

    Example: snellen heal case --budget 10m
    """
    _do("heal", json, parts, None, folder=folder, budget=_seconds(budget), lang=_lang(lang))


@app.command()
def ship(folder: CASE, json: JSON = False, parts: PARTS = None) -> None:
    """Export the final run of a case to ONNX again and check it against the trained model.

    Example: snellen ship snellen-runs/photos-20260101-120000
    """
    from snellen import show

    with _ready(parts, None) as (verbs, console):
        artifacts = verbs.ship(folder)
    show.artifacts(artifacts, console=console, json=json)
    if not all(item["ok"] for item in artifacts):
        raise typer.Exit(1)


@app.command()
def agree(
    data: Annotated[list[Path], typer.Argument(help="Two or more annotations of the same images, one of each annotator.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")], json: JSON = False,
    decisions: Annotated[Path | None, typer.Option("--decisions", help="disputes.jsonl with the arbiter's decisions filled in.")] = None,
    iou: Annotated[float, typer.Option("--iou", help="Least overlap of two annotators' boxes that are one object.")] = 0.5,
    limit: Annotated[float, typer.Option("--limit", help="Conflict rate above which an arbiter is asked for.")] = 0.05,
) -> None:  # fmt: skip
    """Compare annotators; list what they dispute; with --decisions write the consensus.

    Example: snellen agree anna/instances.json bert/instances.json --out agreement
    """
    from snellen import show

    with _ready(None, None):
        from snellen import curate

        answer = curate.agree(data, out=out, decisions=decisions, iou=iou, limit=limit)
    show.written(answer, json=json)


@app.command()
def export(
    folder: CASE, to: Annotated[str, typer.Option("--to", help="coco, yolo, voc, imagefolder, fiftyone, labelstudio or cvat.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder.")], json: JSON = False,
) -> None:  # fmt: skip
    """Write a case's labels, corrected by its review, in the format of another tool. Images are not copied.

    Example: snellen export snellen-runs/photos-20260101-120000 --to coco --out labels
    """
    from snellen import show

    with _ready(None, None):
        from snellen import curate

        answer = curate.export(folder, to=to, out=out)
    show.written(answer, json=json)


@app.command()
def report(folder: CASE, lang: LANG = "en", out: OUT = None) -> None:
    """Write the report of a case again, for instance in the other language.

    Example: snellen report snellen-runs/photos-20260101-120000 --lang zh
    """
    with _ready(None, None) as (verbs, _):
        print(verbs.report(folder, lang=_lang(lang), out=out))


@app.command(name="list")
def list_(
    shelf: Annotated[str | None, typer.Argument(help="One shelf: losses, schedules, rules/run, remedies, …")] = None,
    parts: PARTS = None, json: JSON = False,
    data: Annotated[list[Path] | None, typer.Option("--for", help="list models: the data whose image size they are measured at. May repeat.")] = None,
    models: Annotated[str, typer.Option("--models", help="list models --for: timm names with commas. Default: the families.")] = "",
) -> None:  # fmt: skip
    """What is on the shelves: losses, optimisers, schedules, augmentations, models, rules, remedies.

    Example: snellen list losses

    Example: snellen list models --for photos/
    """
    from snellen import show

    if data:
        if shelf != "models":
            raise typer.BadParameter(
                f"only the models are measured, not {shelf}; use: list models --for DATA", param_hint="--for"
            )
        list_models(data, models, json=json)
        return
    with _ready(parts, None, light=True) as (_, console):
        show.shelves(shelf, console=console)


@app.command()
def demo(
    out: OUT = None, budget: BUDGET = "240s", lang: LANG = "en", json: JSON = False,
) -> None:  # fmt: skip
    """The whole path on embedded images with planted faults; tells which of them were found.

    Example: snellen demo
    """
    _do("demo", json, None, None, out=out, budget=_seconds(budget) or 240.0, lang=_lang(lang))


app.command(name="lr-range")(lr_range)
app.command(name="compare-optimizers")(compare_optimizers)
app.command(name="compare-models")(compare_models)
app.command()(search)
app.command()(expand)
app.command()(policy)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a gate failed, 2 bad usage or input, 130 stopped and saved."""
    app()


def _review(folder: Path, *, sample: int, seed: int, port: int, lang: str) -> None:
    with _ready(None, None) as (verbs, console):

        def told(address: str) -> None:
            console.print(f"review: {address}   (Ctrl-C ends it)", style="bold", markup=False, soft_wrap=True)

        kept = verbs.review(folder, sample=sample, seed=seed, port=port, lang=lang, told=told)
        console.print(f"decisions: {kept}   (snellen apply {folder} carries them out)", markup=False, soft_wrap=True)


def _apply(folder: Path, review: Path | None, *, json: bool = False, show: bool = True) -> None:
    from snellen import show as shown

    with _ready(None, None) as (verbs, _):
        answer = verbs.apply(folder, review=review)
    if show:
        shown.changes(answer, json=json)


def _do(verb: str, json: bool, parts: Path | None, beside: Path | None, **given: Any) -> dict[str, Any]:
    from snellen import show
    from snellen.progress import Stopper, Watcher

    with _ready(parts, beside) as (verbs, console):
        watcher, stopper = Watcher(console), Stopper(console)
        call: Callable[..., dict[str, Any]] = getattr(verbs, verb)
        if "stop" in given:  # This verb has nothing to save: Ctrl-C simply ends it.
            given = {key: value for key, value in given.items() if key != "stop"}
            with watcher.live():
                answer = call(**given, watch=watcher)
        else:
            with watcher.live(), stopper.listening():
                answer = call(**given, watch=watcher, stop=stopper)
    show.answer(answer, console=console, json=json)
    if any(not gate["passed"] for gate in answer["gates"]):
        raise typer.Exit(1)
    return answer


def _ready(parts: Path | None, recipe: Path | None, *, light: bool = False) -> Any:
    from snellen.entry import ready

    return ready(parts, recipe, light=light)


def _seconds(text: str | None) -> float | None:
    from snellen.entry import seconds

    return _usage(seconds, text) if text else None


def _changes(items: list[str] | None, model: str | None, seed: int | None, task: str | None) -> dict[str, Any]:
    from snellen.entry import changes

    named = {"model.name": model} if model else {}
    # As in names of files, so on the command line: super-resolution is super_resolution.
    named |= {"task": task.replace("-", "_")} if task else {}
    return {**_usage(changes, items or []), **named, **({"seed": seed} if seed is not None else {})}


def _split(text: str | None) -> dict[str, Any]:
    from snellen.entry import split

    return dict(_usage(split, text)) if text else {}


def _stages(text: str | None) -> dict[str, Any]:
    from snellen.entry import stages

    return {"stages": _usage(stages, text)} if text else {}


def _lang(text: str) -> str:
    if text not in ("en", "zh"):
        raise typer.BadParameter(f"{text!r} is not a language of the report; expected en or zh", param_hint="--lang")
    return text


def _usage(read: Callable[[Any], Any], given: Any) -> Any:
    try:
        return read(given)
    except ValueError as error:
        print(f"snellen: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
