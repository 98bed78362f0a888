"""The command line: one short function per verb; heavy imports inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from snellen import cli_call
from snellen.cli_augment import expand, policy
from snellen.cli_data import agree, apply, audit, export, review
from snellen.cli_experiments import ablate, compare_models, compare_optimizers, list_models, lr_range, search
from snellen.cli_options import (
    AUTOPILOT,
    BUDGET,
    CASE,
    DATA,
    EPOCHS,
    JSON,
    LANG,
    MODEL,
    OUT,
    PARTS,
    RECIPE,
    RESUME,
    SEED,
    SET,
    SPLIT,
    STAGES,
    TASK,
)
from snellen.entry import leave


def _version(asked: bool) -> None:
    if asked:
        from snellen import __version__

        print(f"snellen {__version__}")
        raise typer.Exit


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


@app.callback()
def snellen(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)] = False,
) -> None:  # fmt: skip
    """Options of the program itself; what it is for stands at the app."""


def run(
    data: DATA, out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, stages: STAGES = None,
    epochs: EPOCHS = None, task: TASK = None, model: MODEL = None, seed: SEED = None, resume: RESUME = False, lang: LANG = "en",
    json: JSON = False, parts: PARTS = None, split: SPLIT = None, autopilot: AUTOPILOT = False,
    no_heal: Annotated[bool, typer.Option("--no-heal", help="Train once; try no remedies.")] = False,
) -> None:  # fmt: skip
    """The whole path, from a folder to a tested model.

    Audit, advise, train, try remedies with proof, test once, export, report.

    Example: snellen run photos/ --budget 10m
    """
    changes = cli_call.changes(set_, model=model, seed=seed, task=task, split=split, stages=stages, autopilot=autopilot)
    _do(
        "run", json, parts, recipe, sources=data, out=out, budget=cli_call.seconds(budget), recipe=recipe, lang=cli_call.lang(lang),
        changes=changes, epochs=epochs, heal=not no_heal, resume=resume,
    )  # fmt: skip


def train(
    data: DATA, out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, stages: STAGES = None,
    epochs: EPOCHS = None, task: TASK = None, model: MODEL = None, seed: SEED = None, resume: RESUME = False, lang: LANG = "en",
    json: JSON = False, parts: PARTS = None, split: SPLIT = None, autopilot: AUTOPILOT = False,
) -> None:  # fmt: skip
    """Train once: no remedies, no test, no export.

    Example: snellen train photos/ --set optim.lr=3e-4 --out case
    """
    changes = cli_call.changes(set_, model=model, seed=seed, task=task, split=split, stages=stages, autopilot=autopilot)
    _do(
        "train", json, parts, recipe, sources=data, out=out, budget=cli_call.seconds(budget), recipe=recipe, lang=cli_call.lang(lang),
        changes=changes, epochs=epochs, resume=resume, hint="heal",
    )  # fmt: skip


def diagnose(
    path: Annotated[Path, typer.Argument(help="A folder of Snellen, or the log (or its folder) of Ultralytics, Lightning, Hugging Face, Keras, fastai, timm, MMEngine, Paddle, TensorBoard, or any table with a loss.")],
    lang: LANG = "en", json: JSON = False, parts: PARTS = None,
    classes: Annotated[int | None, typer.Option("--classes", help="Another tool's log: number of classes; says that its loss is a cross-entropy.")] = None,
    fail_on: Annotated[str | None, typer.Option("--fail-on", help="End with exit code 1 where there is a finding of this severity or above: warn or block.")] = None,
) -> None:  # fmt: skip
    """Name what is wrong with a training.

    Ours, or by the log of another tool: see the argument.

    Example: snellen diagnose lightning_logs/version_0
    """
    from snellen import show
    from snellen.entry import severe

    limit = cli_call.usage(severe, fail_on)
    with cli_call.ready(parts, None, light=True):
        from snellen.case import Case
        from snellen.second_opinion import second_opinion

        if Case(path).holds_runs:
            from snellen import verbs

            findings = verbs.diagnose(path)
            found = [finding.severity for finding in findings]
            show.findings(findings, json=json, lang=cli_call.lang(lang))
        else:
            answer = second_opinion(path, classes=classes)
            found = [item["severity"] for item in answer["findings"]]
            show.opinion(answer, json=json, lang=cli_call.lang(lang))
    if limit.intersection(found):
        raise typer.Exit(1)


def explain(
    rule: Annotated[str, typer.Argument(help="Name of a rule, as findings give it.")], lang: LANG = "en", json: JSON = False, parts: PARTS = None,
) -> None:  # fmt: skip
    """Print what a rule does, why, its limits and remedies.

    Example: snellen explain overfitting --lang zh
    """
    from snellen import show

    with cli_call.ready(parts, None, light=True):
        from snellen.report.explain import explained

        page = explained(rule, lang=cli_call.lang(lang))
    show.page(page, json=json)


def heal(folder: CASE, budget: BUDGET = None, lang: LANG = "en", json: JSON = False, parts: PARTS = None) -> None:
    """Go on after snellen train.

    Try remedies, prove them, test once, export, report.

    Example: snellen heal case --budget 10m
    """
    _do(
        "heal",
        json,
        parts,
        None,
        again="Go on with the same command.",
        folder=folder,
        budget=cli_call.seconds(budget),
        lang=cli_call.lang(lang),
    )


def ship(
    folder: CASE, json: JSON = False, parts: PARTS = None,
    int8: Annotated[bool, typer.Option("--int8", help="Also a file of eight bits, compared with the whole one on the validation images.")] = False,
) -> None:  # fmt: skip
    """Export a case's model again and check the file.

    ONNX, compared with the trained model; exit code 1 where they differ, or where eight bits may cost more than a point.

    Example: snellen ship snellen-runs/photos-20260101-120000
    """
    from snellen import show

    with cli_call.ready(parts, None) as (verbs, _):
        artifacts = verbs.ship(folder, int8=int8)
    show.artifacts(artifacts, json=json)
    if not all(item["ok"] for item in artifacts):
        raise typer.Exit(1)


def predict(
    folder: CASE, images: Annotated[list[Path], typer.Argument(help="Images, or folders of images; labels are not needed.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder: predictions.csv and, where the answer is an image, pictures/.")],
    lang: LANG = "en", json: JSON = False, parts: PARTS = None,
) -> None:  # fmt: skip
    """Let a case's model answer new images.

    A table of classes with their probabilities, masks, or restored images; files that cannot be used are listed.

    Example: snellen predict snellen-runs/photos-20260101-120000 new/ --out answers
    """
    from snellen import show

    with cli_call.watched(parts, None, saves=False, lang=cli_call.lang(lang)) as (verbs, watching):
        told = verbs.predict(folder, images, out=out, **watching)
    show.written(told, json=json, lang=lang)


def validate(
    folder: CASE, data: Annotated[list[Path], typer.Argument(help="Labelled images of another origin, as for snellen run.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to. Default: validation-NAME in the case.")] = None,
    lang: LANG = "en", json: JSON = False, parts: PARTS = None,
) -> None:  # fmt: skip
    """Score a case's model on data of another origin.

    Says how far the images are from the case's own, and whether statistics of these images, without labels, mend what was lost; exit
    code 1 where the score does not hold.

    Example: snellen validate snellen-runs/photos-20260101-120000 other-camera/
    """
    from snellen import show

    with cli_call.watched(parts, None, saves=False, lang=cli_call.lang(lang)) as (verbs, watching):
        told = verbs.validate(folder, data, out=out, **watching)
    show.validated(told, json=json, lang=lang)
    if not told["holds"]:
        raise typer.Exit(1)


def report(
    folder: CASE, lang: LANG = "en",
    out: Annotated[Path | None, typer.Option("--out", help="The HTML file. Default: report.html in the case.")] = None,
) -> None:  # fmt: skip
    """Write a case's report again, in English or Chinese.

    Example: snellen report snellen-runs/photos-20260101-120000 --lang zh
    """
    with cli_call.ready(None, None) as (verbs, _):
        print(verbs.report(folder, lang=cli_call.lang(lang), out=out))


def list_(
    shelf: Annotated[str | None, typer.Argument(help="One shelf: losses, schedules, rules/run, remedies, …")] = None,
    parts: PARTS = None, json: JSON = False,
    data: Annotated[list[Path] | None, typer.Option("--for", help="list models: the data whose image size they are measured at. May repeat.")] = None,
    models: Annotated[str, typer.Option("--models", help="list models --for: timm names with commas. Default: the families.")] = "",
) -> None:  # fmt: skip
    """List losses, schedules, models, rules, remedies, …

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
    with cli_call.ready(parts, None, light=True):
        show.shelves(shelf, json=json)


def demo(
    out: OUT = None, budget: BUDGET = "240s", lang: LANG = "en", json: JSON = False,
) -> None:  # fmt: skip
    """The whole path on built-in images with planted faults.

    Tells which of the faults were found; about four minutes on two cores.

    Example: snellen demo
    """
    _do(
        "demo",
        json,
        None,
        None,
        again=cli_call.AFRESH,
        out=out,
        budget=cli_call.seconds(budget) or 240.0,
        lang=cli_call.lang(lang),
    )


def _do(
    verb: str, json: bool, parts: Path | None, beside: Path | None, *, lang: str, hint: str = "", again: str = "",
    **given: Any,
) -> None:  # fmt: skip
    """Call a verb of the path and print its answer; exit code 1 where a gate failed."""
    from snellen import show

    with cli_call.watched(parts, beside, lang=lang, again=again) as (verbs, watching):
        answer = getattr(verbs, verb)(**given, lang=lang, **watching)
    show.answer(answer, json=json, lang=lang, hint=hint)
    if any(not gate["passed"] for gate in answer["gates"]):
        raise typer.Exit(1)


# In the order in which --help lists them.
COMMANDS: tuple[Callable[..., None], ...] = (
    run, audit, review, apply, train, diagnose, explain, heal, ship, predict, validate, agree, export, report, list_, demo, lr_range,
    compare_optimizers, compare_models, ablate, search, expand, policy,
)  # fmt: skip
for command in COMMANDS:
    app.command(name=command.__name__.strip("_").replace("_", "-"))(command)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a gate failed, 2 bad usage or input, 130 stopped and saved."""
    try:
        app()
    except SystemExit as ended:
        leave(ended.code)
