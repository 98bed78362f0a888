"""Commands that answer one question by an experiment: a rate, an optimiser, a model, the settings of a head."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

DATA = Annotated[list[Path], typer.Argument(help="Folders of images (class folders, with or without train/val/test) or a CSV or Parquet list.")]  # fmt: skip
OUT = Annotated[Path | None, typer.Option("--out", help="Folder for everything that is written. Default: snellen-runs/NAME-TIME.")]  # fmt: skip
BUDGET = Annotated[str | None, typer.Option("--budget", help="Time for all of it: 90s, 10m, 1h30m. Default: no limit.")]
RECIPE = Annotated[Path | None, typer.Option("--recipe", help="YAML recipe; what it leaves out is advised.")]
SET = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe, e.g. data.size=96. May repeat.")]
SEED = Annotated[int | None, typer.Option("--seed", min=0, help="First seed.")]
SEEDS = Annotated[int, typer.Option("--seeds", min=1, max=20, help="Trainings of each; one can never decide.")]
RESUME = Annotated[bool, typer.Option("--resume", help="Go on where a stopped or killed run left off.")]
LANG = Annotated[str, typer.Option("--lang", help="Language of the page: en or zh.")]
JSON = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on standard output.")]


def lr_range(
    data: DATA,
    stage: Annotated[str | None, typer.Option("--stage", help="Stage to test; those before it are trained first. Default: the last.")] = None,
    low: Annotated[float, typer.Option("--low", help="Rate to begin with.")] = 1e-6,
    high: Annotated[float, typer.Option("--high", help="Rate to end with, if the loss has not blown up before.")] = 1.0,
    steps: Annotated[int, typer.Option("--steps", min=20, help="Training steps.")] = 100,
    out: OUT = None, recipe: RECIPE = None, set_: SET = None, seed: SEED = None, resume: RESUME = False, lang: LANG = "en",
    json: JSON = False,
) -> None:  # fmt: skip
    """Let the rate climb until the loss breaks, and suggest one for --set optim.lr; exit code 1 where there is none.

    Example: snellen lr-range photos/ --stage all
    """
    asked = _asked(data, out=out, budget=None, recipe=recipe, set_=set_, seed=seed, resume=resume, lang=lang)
    answer = _do("lr_range", asked, json, stage=stage, low=low, high=high, steps=steps)
    if not answer["set"]:
        raise typer.Exit(1)


def compare_optimizers(
    data: DATA,
    optimizers: Annotated[str, typer.Option("--optimizers", help="NAME, NAME:LR or NAME:LR:WEIGHT_DECAY, with commas; the first is what others are compared with.")] = "adamw:1e-4,sgd:5e-3",
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Epochs of each training.")] = 10, seeds: SEEDS = 3,
    out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, seed: SEED = None, resume: RESUME = False,
    lang: LANG = "en", json: JSON = False,
) -> None:  # fmt: skip
    """Train with several optimisers, same seeds and order of the data; differences with intervals, and speed.

    Example: snellen compare-optimizers photos/ --optimizers adamw:1e-4,sgd:5e-3,lamb:2e-3 --epochs 10
    """
    asked = _asked(data, out=out, budget=budget, recipe=recipe, set_=set_, seed=seed, resume=resume, lang=lang)
    _do("compare_optimizers", asked, json, optimizers=_listed(optimizers), epochs=epochs, seeds=seeds)


def compare_models(
    data: DATA,
    models: Annotated[str, typer.Option("--models", help="timm names with commas; the first is what others are compared with. Default: those whose weights are at hand.")] = "",
    seeds: SEEDS = 3, out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, seed: SEED = None,
    resume: RESUME = False, lang: LANG = "en", json: JSON = False,
) -> None:  # fmt: skip
    """Train several models under equal conditions; score, time, parameters, multiply-adds and latency side by side.

    Example: snellen compare-models photos/ --models tf_efficientnet_lite0,resnet18 --seeds 3
    """
    asked = _asked(data, out=out, budget=budget, recipe=recipe, set_=set_, seed=seed, resume=resume, lang=lang)
    _do("compare_models", asked, json, models=_listed(models), seeds=seeds)


def search(
    data: DATA,
    candidates: Annotated[int, typer.Option("--candidates", min=1, help="Settings that are tried.")] = 27, seeds: SEEDS = 3,
    out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, seed: SEED = None, resume: RESUME = False,
    lang: LANG = "en", json: JSON = False,
) -> None:  # fmt: skip
    """Search the head's rate, weight decay, dropout and smoothing by successive halving; writes best.yaml.

    Example: snellen search photos/ --candidates 27
    """
    asked = _asked(data, out=out, budget=budget, recipe=recipe, set_=set_, seed=seed, resume=resume, lang=lang)
    _do("search", asked, json, candidates=candidates, seeds=seeds)


def list_models(data: list[Path], names: str, *, json: bool) -> None:
    """What `snellen list models --for DATA` prints."""
    from snellen import show_experiments
    from snellen.entry import ready
    from snellen.progress import Watcher

    with ready(None, None) as (_, console):
        from snellen import experiments

        watcher = Watcher(console)
        with watcher.live():
            answer = experiments.models(data, names=_listed(names), watch=watcher)
    show_experiments.models(answer, json=json)


def _do(verb: str, asked: dict[str, Any], json: bool, **settings: Any) -> dict[str, Any]:
    """Call the verb of `experiments` with what all of them are asked, and print its answer."""
    from snellen import show_experiments
    from snellen.entry import ready
    from snellen.progress import Stopper, Watcher

    with ready(None, asked["recipe"]) as (_, console):
        from snellen import experiments

        watcher, stopper = Watcher(console), Stopper(console)
        with watcher.live(), stopper.listening():
            whole = experiments.Asked(**asked, watch=watcher, stop=stopper)
            answer: dict[str, Any] = getattr(experiments, verb)(whole, **settings)
    show_experiments.answer(answer, json=json)
    return answer


def _asked(
    data: list[Path], *, out: Path | None, budget: str | None, recipe: Path | None, set_: list[str] | None,
    seed: int | None, resume: bool, lang: str,
) -> dict[str, Any]:  # fmt: skip
    """Words of the command line as values; usage errors end with exit code 2."""
    from snellen.entry import changes, seconds

    if lang not in ("en", "zh"):
        raise typer.BadParameter(f"{lang!r} is not a language of the page; expected en or zh", param_hint="--lang")
    try:
        given = {**changes(set_ or []), **({"seed": seed} if seed is not None else {})}
        time = seconds(budget) if budget else None
    except ValueError as error:
        print(f"snellen: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    return {
        "sources": data,
        "out": out,
        "budget": time,
        "recipe": recipe,
        "changes": given,
        "resume": resume,
        "lang": lang,
    }


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
