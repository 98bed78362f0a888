"""The command line: one short function per verb; heavy imports inside."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

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
SEED = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the run.")]
RESUME = Annotated[bool, typer.Option("--resume", help="Go on where a stopped or killed run left off.")]
LANG = Annotated[str, typer.Option("--lang", help="Language of the report: en or zh.")]
JSON = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on standard output.")]
CASE = Annotated[Path, typer.Argument(help="A folder that snellen run or snellen train wrote.")]
PARTS = Annotated[
    Path | None, typer.Option("--parts", help="Folder with your own parts (losses/, rules/run/, remedies/, …).")
]


@app.command()
def run(
    data: DATA, out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, stages: STAGES = None,
    epochs: EPOCHS = None, model: MODEL = None, seed: SEED = None, resume: RESUME = False, lang: LANG = "en",
    json: JSON = False, parts: PARTS = None,
    no_heal: Annotated[bool, typer.Option("--no-heal", help="Train once; try no remedies.")] = False,
) -> None:  # fmt: skip
    """The whole path: audit, advise, train, heal with proof, test once, export, report.

    Example: snellen run photos/ --budget 10m
    """
    changes = _changes(set_, model, seed)
    _do(
        "run", json, parts, recipe, sources=data, out=out, budget=_seconds(budget), recipe=recipe, lang=_lang(lang),
        changes=changes | _stages(stages), epochs=epochs, heal=not no_heal, resume=resume,
    )  # fmt: skip


@app.command()
def audit(data: DATA, out: OUT = None, lang: LANG = "en", json: JSON = False, parts: PARTS = None) -> None:
    """Look at the data alone; list what is wrong with it.

    Example: snellen audit photos/ --json
    """
    _do("audit", json, parts, None, sources=data, out=out, lang=_lang(lang), stop=None)


@app.command()
def train(
    data: DATA, out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, stages: STAGES = None,
    epochs: EPOCHS = None, model: MODEL = None, seed: SEED = None, resume: RESUME = False, lang: LANG = "en",
    json: JSON = False, parts: PARTS = None,
) -> None:  # fmt: skip
    """Audit, advise and train once, without remedies, test or export.

    Example: snellen train photos/ --set optim.lr=3e-4 --out case
    """
    _do(
        "train", json, parts, recipe, sources=data, out=out, budget=_seconds(budget), recipe=recipe, lang=_lang(lang),
        changes=_changes(set_, model, seed) | _stages(stages), epochs=epochs, resume=resume,
    )  # fmt: skip


@app.command()
def diagnose(folder: CASE, json: JSON = False, parts: PARTS = None) -> None:
    """Let the rules read a finished training and name what is wrong.

    Example: snellen diagnose snellen-runs/photos-20260101-120000
    """
    from snellen import show

    with _ready(parts, None) as (verbs, console):
        findings = verbs.diagnose(folder)
    show.findings(findings, console=console, json=json)


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
def report(folder: CASE, lang: LANG = "en", out: OUT = None) -> None:
    """Write the report of a case again, for instance in the other language.

    Example: snellen report snellen-runs/photos-20260101-120000 --lang zh
    """
    with _ready(None, None) as (verbs, _):
        print(verbs.report(folder, lang=_lang(lang), out=out))


@app.command(name="list")
def list_(shelf: Annotated[str | None, typer.Argument(help="One shelf: losses, schedules, rules/run, remedies, …")] = None, parts: PARTS = None) -> None:  # fmt: skip
    """What is on the shelves: losses, optimisers, schedules, augmentations, models, rules, remedies.

    Example: snellen list losses
    """
    from snellen import show

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


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 a gate failed, 2 bad usage or input, 130 stopped and saved."""
    app()


def _do(verb: str, json: bool, parts: Path | None, beside: Path | None, **given: Any) -> None:
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


def _ready(parts: Path | None, recipe: Path | None, *, light: bool = False) -> Any:
    from snellen.entry import ready

    return ready(parts, recipe, light=light)


def _seconds(text: str | None) -> float | None:
    from snellen.entry import seconds

    return _usage(seconds, text) if text else None


def _changes(items: list[str] | None, model: str | None, seed: int | None) -> dict[str, Any]:
    from snellen.entry import changes

    named = {"model.name": model} if model else {}
    return {**_usage(changes, items or []), **named, **({"seed": seed} if seed is not None else {})}


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
