"""Commands that answer one question by an experiment: a rate, an optimiser, a model, the settings of a head."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from snellen import cli_call
from snellen.cli_options import BUDGET, DATA, JSON, LANG, OUT, RECIPE, RESUME, SEED, SEEDS, SET


def lr_range(
    data: DATA,
    stage: Annotated[str | None, typer.Option("--stage", help="Stage to test; those before it are trained first. Default: the last.")] = None,
    low: Annotated[float, typer.Option("--low", help="Rate to begin with.")] = 1e-6,
    high: Annotated[float, typer.Option("--high", help="Rate to end with, if the loss has not blown up before.")] = 1.0,
    steps: Annotated[int, typer.Option("--steps", min=20, help="Training steps.")] = 100,
    out: OUT = None, recipe: RECIPE = None, set_: SET = None, seed: SEED = None, resume: RESUME = False, lang: LANG = "en",
    json: JSON = False,
) -> None:  # fmt: skip
    """Find a learning rate for a stage.

    Lets the rate climb until the loss breaks. Suggests one for --set optim.lr; exit code 1 where there is none.

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
    """Compare optimisers on equal terms.

    Same seeds, same order of the data. Differences with their intervals, and speed.

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
    """Compare models trained under equal conditions.

    Score, time, parameters, multiply-adds and latency side by side.

    Example: snellen compare-models photos/ --models tf_efficientnet_lite0,resnet18 --seeds 3
    """
    asked = _asked(data, out=out, budget=budget, recipe=recipe, set_=set_, seed=seed, resume=resume, lang=lang)
    _do("compare_models", asked, json, models=_listed(models), seeds=seeds)


def ablate(
    data: DATA,
    techniques: Annotated[str, typer.Option("--techniques", help="Names with commas, in the order in which they are added: augment, cutmix, mixup, cosine, label-smoothing, focal, class-balanced, balanced-sampling, center, arcface, dropout, averaged-weights, clipping, mixed-precision. Default: the first six for classification, fewer for other tasks.")] = "",
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs of each training, shared out over the stages.")] = None, seeds: SEEDS = 3,
    out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, seed: SEED = None, resume: RESUME = False,
    lang: LANG = "en", json: JSON = False,
) -> None:  # fmt: skip
    """Show what each technique brings, paired.

    Adds them one after another, and leaves each out; what was published stands beside what is measured.

    Example: snellen ablate photos/ --techniques augment,cutmix,cosine,label-smoothing --budget 30m
    """
    asked = _asked(data, out=out, budget=budget, recipe=recipe, set_=set_, seed=seed, resume=resume, lang=lang)
    _do("ablate", asked, json, techniques=_listed(techniques), epochs=epochs, seeds=seeds)


def search(
    data: DATA,
    candidates: Annotated[int, typer.Option("--candidates", min=1, help="Settings that are tried.")] = 27, seeds: SEEDS = 3,
    over: Annotated[str, typer.Option("--over", help="head: its settings, on cached features. recipe: whole trainings.")] = "head",
    method: Annotated[str, typer.Option("--method", help="--over recipe: tpe (Optuna), grid or spread.")] = "tpe",
    ranges: Annotated[list[str] | None, typer.Option("--range", help="--over recipe: KEY=LOW:HIGH, KEY=LOW:HIGH:log or KEY=A,B,C. May repeat. Default: the rate from a tenth to ten times what it is, batch 32, 64, 128, dropout 0.1 to 0.5.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="--over recipe: epochs of each training, shared out over the stages.")] = None,
    out: OUT = None, budget: BUDGET = None, recipe: RECIPE = None, set_: SET = None, seed: SEED = None, resume: RESUME = False,
    lang: LANG = "en", json: JSON = False,
) -> None:  # fmt: skip
    """Search for better settings; writes best.yaml.

    By successive halving, of the head or of whole trainings.

    Example: snellen search photos/ --candidates 27

    Example: snellen search photos/ --over recipe --range optim.lr=1e-5:1e-2:log --range train.batch=32,64
    """
    asked = _asked(data, out=out, budget=budget, recipe=recipe, set_=set_, seed=seed, resume=resume, lang=lang)
    settings = {"over": over, "method": method, "ranges": tuple(ranges or ()), "epochs": epochs}
    _do("search", asked, json, candidates=candidates, seeds=seeds, **settings)


def list_models(data: list[Path], names: str, *, json: bool) -> None:
    """What `snellen list models --for DATA` prints."""
    from snellen import show_experiments

    with cli_call.watched(None, None, saves=False) as (_, watching):
        from snellen import experiments

        answer = experiments.models(data, names=_listed(names), **watching)
    show_experiments.models(answer, json=json)


def _do(verb: str, asked: dict[str, Any], json: bool, **settings: Any) -> dict[str, Any]:
    """Call the verb of `experiments` with what all of them are asked, and print its answer."""
    from snellen import show_experiments

    with cli_call.watched(None, asked["recipe"], lang=asked["lang"]) as (_, watching):
        from snellen import experiments

        answer: dict[str, Any] = getattr(experiments, verb)(experiments.Asked(**asked, **watching), **settings)
    show_experiments.answer(answer, json=json, lang=asked["lang"])
    return answer


def _asked(
    data: list[Path], *, out: Path | None, budget: str | None, recipe: Path | None, set_: list[str] | None,
    seed: int | None, resume: bool, lang: str,
) -> dict[str, Any]:  # fmt: skip
    return {
        "sources": data, "out": out, "budget": cli_call.seconds(budget), "recipe": recipe,
        "changes": cli_call.changes(set_, seed=seed), "resume": resume, "lang": cli_call.lang(lang),
    }  # fmt: skip


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
