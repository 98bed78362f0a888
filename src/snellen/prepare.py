"""Prepare: from a surveyed catalog and a probed machine to an advised recipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from snellen.budget import Cost, ending
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.peek import shorter_side
from snellen.data.pixels import Pixels
from snellen.opening import Settings, cache_folder, for_data
from snellen.recipe import Recipe
from snellen.shelf import MODELS, TASKS
from snellen.survey import measured, trainable_catalog
from snellen.train.machine import Setting, setting_of
from snellen.train.once import Keeping
from snellen.train.probe import BUSY, SECONDS, Costs, largest_batch, probe
from snellen.train.switches import switched
from snellen.values import Finding

Watch = Callable[[Mapping[str, Any]], None]

# Share of the budget for probing the machine; a full probe takes about six seconds.
PROBING = 0.03


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that training and healing need."""

    catalog: Catalog
    pixels: Pixels
    setting: Setting
    recipe: Recipe
    findings: tuple[Finding, ...]


def prepare(case: Case, settings: Settings, *, watch: Watch, began: float | None = None) -> Plan:
    """Read, measure, audit and advise; on resume the stored recipe is taken, not advised anew. `began`: when the budget began
    to run, on the monotonic clock (None: now)."""
    began = time.monotonic() if began is None else began
    wanted, given = settings.wanted()
    catalog = trainable_catalog(settings, wanted, given, watch)
    wanted = for_data(wanted, given, catalog, settings.sources[0])
    task = TASKS.pick(wanted.task)()
    costs = _costs(wanted, given, settings.budget, watch)
    cost = Cost(
        ((costs.small, costs.all_small), (costs.size, costs.all)), costs.last / costs.all, costs.forward / costs.all,
        None if costs.head is None else costs.head / costs.all,
    )  # fmt: skip
    stored = case.read("plan")
    asked = given if settings.epochs is None else {**given, "epochs": settings.epochs}
    if stored is None:
        size, eval_size = task.sizes(catalog, shorter_side(catalog), cost, settings.budget, base=wanted, given=asked)
    else:
        size, eval_size = stored["recipe"]["data"]["size"], stored["recipe"]["data"]["eval_size"]
    case.write("settings", settings.plain())
    setting = setting_of(wanted.train, costs.setting)
    # What of the audit's pass the training can use, where its network is the one that is trained.
    keeping = Keeping(case.folder / "cache", wanted.model.name) if TASKS.constant(wanted.task, "TRUNK") else None
    catalog, pixels, findings = measured(
        case, catalog, wanted, eval_size, setting, watch, keeping=keeping, budget=settings.budget
    )
    if settings.budget is not None:
        cost = replace(cost, left=began + settings.budget - ending(settings.budget) - time.monotonic())
    if stored is not None:
        recipe = Recipe.make(stored["recipe"])
    else:
        recipe = _advised(case, catalog, findings, cost, settings, wanted, asked, (size, eval_size), costs, watch)
    return Plan(catalog, pixels, setting_of(recipe.train, costs.setting), recipe, findings)


def _costs(wanted: Recipe, given: Mapping[str, Any], budget: float | None, watch: Watch) -> Costs:
    watch({"title": "probe this machine"})
    shape, wanted = shape_of(wanted, given), _likely(wanted)
    if wanted.train.compile:
        watch({"notice": "torch.compile is measured too: on a CPU that takes about a minute, once"})
    costs = probe(
        lambda: _noise(wanted), name=_probed(wanted), cache=cache_folder(),
        compile=wanted.train.compile, seconds=SECONDS if budget is None else min(SECONDS, max(1.5, PROBING * budget)), **shape,
    )  # fmt: skip
    if costs.busy >= BUSY:
        watch({"notice": f"other programs use {costs.busy:.0%} of the processor: estimates of time are too high"})
    return costs


def _likely(wanted: Recipe) -> Recipe:
    """With the settings of the network that its task (PROBED) is likely to be advised, where the network knows them and none are set."""
    name = wanted.model.name
    known = MODELS.settings(name) if name in MODELS.names() else {}
    likely = {key: value for key, value in (TASKS.constant(wanted.task, "PROBED") or {}).items() if key in known}
    return wanted.change({"model.settings": {**likely, **wanted.model.settings}}) if likely else wanted


def _probed(wanted: Recipe) -> str:
    """What is remembered under one name costs the same."""
    decoder = f":{wanted.model.decoder.model_dump_json()}" if wanted.model.decoder else ""
    own = {**wanted.model.settings, **({"scale": wanted.degrade.scale} if wanted.degrade.scale > 1 else {})}
    settings = "".join(f":{key}={value}" for key, value in sorted(own.items()))
    return f"{wanted.model.name}:{wanted.model.weights == 'none'}{decoder}{settings}"


def shape_of(wanted: Recipe, given: Mapping[str, Any]) -> dict[str, int]:
    """What is probed: the user's size and batch, else the task's own size, else those that most trainings have."""
    own = TASKS.constant(wanted.task, "RECIPE") or {}
    size = int(given.get("data.size") or own.get("data.size") or 128)
    return {"size": size, "small": 64 if size > 96 else size // 2, "batch": min(wanted.train.batch, 64)}


def _noise(wanted: Recipe) -> Any:
    """The model without its pretrained weights: noise costs the same."""
    return TASKS.pick(wanted.task)().model(wanted.change({"model.weights": "none"}), ("a", "b"))


def _parts(recipe: Recipe, setting: Setting) -> dict[str, Any]:
    """train.accumulate: auto as a number: as few parts of the batch as the memory asks for."""
    if recipe.train.accumulate != "auto":
        return {}
    setting = replace(setting, compile=False)  # What is compiled cannot be looked into.
    model = switched(setting.prepare(_noise(recipe)), recipe.train)
    fits = largest_batch(model, setting, size=recipe.data.size, batch=recipe.train.batch)
    return {"train.accumulate": -(-recipe.train.batch // fits)}


def _advised(
    case: Case, catalog: Catalog, findings: tuple[Finding, ...], cost: Cost, settings: Settings, wanted: Recipe,
    given: Mapping[str, Any], sizes: tuple[int, int], costs: Costs, watch: Watch,
) -> Recipe:  # fmt: skip
    # Of a leak between validation and test nothing can be left out of training: it stands, and blocks.
    train = set(catalog.usable().of("train").ids)
    listed = dict.fromkeys(i for finding in findings if finding.rule == "leakage" for i in finding.samples)
    leaked = tuple(sample for sample in listed if sample in train)
    task = TASKS.pick(wanted.task)()
    changing = [f.evidence["transform"] for f in findings if f.rule == "augment_changes_class" and f.looked]
    told = catalog.with_about({"changing": changing})
    advice = task.advise(told, cost, settings.budget, base=wanted, given=given, sizes=sizes, leaked=leaked)
    recipe: Recipe = advice.recipe
    setting = setting_of(recipe.train, costs.setting)
    fixed = {"train.precision": setting.precision, "train.layout": setting.layout, "train.compile": setting.compile}
    recipe = recipe.change({**fixed, **_parts(recipe, setting)}).resolve()
    choices = [
        {"key": c.key, "value": _short(c.value), "reason": c.reason, "reason_zh": c.reason_zh, "source": c.source}
        for c in advice.choices
    ]
    probed = (
        f"measured here: fastest of {len(costs.candidates)} settings, {costs.all * 1000:.1f} ms per image of {costs.size} px, "
        f"{costs.gain:.2f} times as fast as torch's default"
    )
    choices.append(
        {"key": "train.precision, train.layout", "value": f"{setting.precision}, {setting.layout}", "reason": probed,
         "reason_zh": f"本机实测最快：每张 {costs.size} 像素图像 {costs.all * 1000:.1f} 毫秒，是默认设置的 {costs.gain:.2f} 倍", "source": "probe"}
    )  # fmt: skip
    case.write(
        "plan",
        {
            "choices": choices, "given": dict(given), "budget": settings.budget, "estimate": advice.estimate, "recipe": recipe.plain(),
            "costs": {"seconds_per_image": costs.all, "size": costs.size, "candidates": costs.candidates, "gain": costs.gain},
        },
    )  # fmt: skip
    watch({"advice": choices, "estimate": advice.estimate})
    return recipe


def _short(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) > 20:
        return f"{len(value)} samples"
    return value
