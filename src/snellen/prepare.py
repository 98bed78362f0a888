"""Prepare: from folders to a measured catalog with findings, and to an advised recipe."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from snellen.advise import Choice, Cost, advise, choose_size, seconds
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.duplicates import near_clusters
from snellen.data.peek import shorter_side
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.data.split import split
from snellen.examine import audit
from snellen.improve.score import METRICS
from snellen.recipe import Recipe
from snellen.shelf import MODELS, TASKS, hint
from snellen.train.machine import Setting, setting_of
from snellen.train.measure import measure
from snellen.train.probe import BUSY, Costs, largest_batch, probe
from snellen.train.switches import switched
from snellen.values import Finding, SnellenError

Watch = Callable[[Mapping[str, Any]], None]

# Seconds that the budget keeps for test, Grad-CAM, export, latency and report.
ENDING = 25.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user asked for."""

    sources: tuple[Path, ...]
    budget: float | None = None
    recipe: Path | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    epochs: int | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "sources": [str(path.resolve()) for path in self.sources], "budget": self.budget,
            "recipe": str(self.recipe) if self.recipe else None, "changes": dict(self.changes), "epochs": self.epochs,
        }  # fmt: skip

    @classmethod
    def of(cls, known: Mapping[str, Any]) -> Settings:
        """From what `plain` gave."""
        recipe = Path(known["recipe"]) if known["recipe"] else None
        return cls(tuple(map(Path, known["sources"])), known["budget"], recipe, known["changes"], known["epochs"])

    def wanted(self) -> tuple[Recipe, dict[str, Any]]:
        """The user's recipe with the user's changes, and the dotted keys that are the user's own; raises SnellenError
        for a value or a name that there is not, before anything is read."""
        recipe = (Recipe.load(self.recipe) if self.recipe else Recipe()).change(self.changes)
        recipe.resolve()
        if recipe.metric not in METRICS:
            # Refused here, before anything is trained: the proof needs a score of every single sample.
            raise SnellenError(f"metric {recipe.metric!r} has no score per sample{hint(recipe.metric, tuple(METRICS))}")
        # Read a second time as it stands: a loaded recipe does not tell what was written from what was filled in.
        file = yaml.safe_load(self.recipe.read_text(encoding="utf-8")) if self.recipe else {}
        return _of_one_size(recipe, {**_leaves(file), **self.changes})


def _of_one_size(recipe: Recipe, given: dict[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    """A model that is built for images of one size gets the same one in training and at evaluation: the user's, else the
    one that it was pretrained at."""
    ask = getattr(MODELS.module(recipe.model_part().name), "only_size", None)
    native = ask(recipe.model.name) if ask else None
    if native is None:
        return recipe, given
    size = given.get("data.size") or given.get("data.eval_size") or native
    patch = {key: size for key in ("data.size", "data.eval_size") if key not in given}
    return recipe.change(patch), {**given, **patch}


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that training and healing need."""

    catalog: Catalog
    pixels: Pixels
    setting: Setting
    recipe: Recipe
    findings: tuple[Finding, ...]


def cache_folder() -> Path:
    """What is shared by all cases: $SNELLEN_CACHE, else the user's cache folder."""
    given = os.environ.get("SNELLEN_CACHE")
    root = os.environ.get("XDG_CACHE_HOME")
    return Path(given) if given else (Path(root) if root else Path.home() / ".cache") / "snellen"


def fresh_folder(name: str) -> Path:
    """A new folder's path under snellen-runs, named after the data and the time."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("snellen-runs") / f"{_plain(name)}-{stamp}"


def _plain(name: str) -> str:
    # Letters of any script stay; what a shell or a glob would read does not.
    return re.sub(r"[^\w.-]+", "_", name) or "data"


def open_case(settings: Settings, *, out: Path | None, resume: bool) -> Case:
    """A new case, or one to resume: the one named, else the newest of the same data."""
    if not settings.sources:
        raise SnellenError("no data was named; give a folder of images, or a CSV or Parquet list")
    name = settings.sources[0].resolve().name
    if resume and out is None:
        out = _newest(name)
    case = Case(out or fresh_folder(name))
    _not_inside(case, settings)
    if resume:
        known = case.read("settings")
        if known is None:
            raise SnellenError(f"{case.folder} holds no case to resume; leave --resume out to begin one")
        for key, mine in settings.plain().items():
            if key in ("recipe", "changes", "epochs") and mine and mine != known[key]:
                raise SnellenError(
                    f"{case.folder} was begun with {key} {known[key]}, now {mine} is given; resume with the same, or without "
                    "any, or begin a new case"
                )
        return case
    if case.folder.exists() and any(case.folder.iterdir()):
        raise SnellenError(f"{case.folder} is not empty; choose another --out, or --resume to go on with what is there")
    return case


def settled(case: Case, settings: Settings) -> Settings:
    """What the case was begun with, with the budget given now; on a new case what is given."""
    known = case.read("settings")
    return settings if known is None else replace(Settings.of(known), budget=settings.budget)


def _not_inside(case: Case, settings: Settings) -> None:
    for source in settings.sources:
        if source.is_dir() and case.folder.resolve().is_relative_to(source.resolve()):
            raise SnellenError(
                f"the output {case.folder} lies inside the data {source}, which is never written to; choose --out"
            )


def _newest(name: str) -> Path:
    found = sorted(Path("snellen-runs").glob(f"{_plain(name)}-*"))
    if not found:
        raise SnellenError(f"there is no case of {name} under snellen-runs to resume; name it with --out")
    return found[-1]


def look(case: Case, settings: Settings, *, watch: Watch) -> tuple[Finding, ...]:
    """Read and measure the data, store the catalog, and let the catalog rules look."""
    wanted, given = settings.wanted()
    catalog = _read(settings, wanted, watch)
    size = wanted.data.eval_size or max(64, min(160, int(shorter_side(catalog))))
    case.write("settings", settings.plain())
    return _measured(case, catalog, wanted, size, _costs(wanted, given, watch), watch)[2]


def prepare(case: Case, settings: Settings, *, watch: Watch) -> Plan:
    """Read, measure, audit and advise; on resume the stored recipe is taken, not advised anew."""
    wanted, given = settings.wanted()
    catalog = _read(settings, wanted, watch)
    costs = _costs(wanted, given, watch)
    cost = Cost(
        ((costs.small, costs.all_small), (costs.size, costs.all)), costs.last / costs.all, costs.forward / costs.all
    )
    stored = case.read("plan")
    if stored is None:
        size, eval_size = choose_size(catalog, shorter_side(catalog), cost, settings.budget, base=wanted, given=given)
    else:
        size, eval_size = stored["recipe"]["data"]["size"], stored["recipe"]["data"]["eval_size"]
    case.write("settings", settings.plain())
    catalog, pixels, findings = _measured(case, catalog, wanted, eval_size, costs, watch)
    if stored is not None:
        recipe = Recipe.make(stored["recipe"])
    else:
        recipe = _advised(case, catalog, findings, cost, settings, wanted, given, (size, eval_size), costs, watch)
    return Plan(catalog, pixels, setting_of(recipe.train, costs.setting), recipe, findings)


def _read(settings: Settings, wanted: Recipe, watch: Watch) -> Catalog:
    watch({"title": "read"})
    return read(settings.sources, group=wanted.data.group)


def _costs(wanted: Recipe, given: Mapping[str, Any], watch: Watch) -> Costs:
    watch({"title": "probe this machine"})
    shape = shape_of(wanted, given)
    if wanted.train.compile:
        watch({"notice": "torch.compile is measured too: on a CPU that takes about a minute, once"})
    costs = probe(
        lambda: _noise(wanted), name=f"{wanted.model.name}:{wanted.model.weights == 'none'}", cache=cache_folder(),
        compile=wanted.train.compile, **shape,
    )  # fmt: skip
    if costs.busy >= BUSY:
        watch({"notice": f"other programs use {costs.busy:.0%} of the processor: estimates of time are too high"})
    return costs


def shape_of(wanted: Recipe, given: Mapping[str, Any]) -> dict[str, int]:
    """What is probed: the user's size and batch, else those that most trainings have."""
    size = int(given.get("data.size") or 128)
    return {"size": size, "small": 64 if size > 96 else size // 2, "batch": min(wanted.train.batch, 64)}


def _noise(wanted: Recipe) -> Any:
    """The model without its pretrained weights: they cost the same."""
    return TASKS.pick(wanted.task)().model(wanted.change({"model.weights": "none"}), ("a", "b"))


def _parts(recipe: Recipe, setting: Setting) -> dict[str, Any]:
    """train.accumulate: auto as a number: as few parts of the batch as the memory asks for."""
    if recipe.train.accumulate != "auto":
        return {}
    setting = replace(setting, compile=False)  # What is compiled cannot be looked into.
    model = switched(setting.prepare(_noise(recipe)), recipe.train)
    fits = largest_batch(model, setting, size=recipe.data.size, batch=recipe.train.batch)
    return {"train.accumulate": -(-recipe.train.batch // fits)}


def _measured(
    case: Case, catalog: Catalog, wanted: Recipe, size: int, costs: Costs, watch: Watch
) -> tuple[Catalog, Pixels, tuple[Finding, ...]]:
    watch({"title": "decode and measure"})
    catalog, pixels = open_pixels(
        catalog, size=size, cache=cache_folder(), progress=lambda done, total: watch({"done": done, "total": total}),
        notice=lambda text: watch({"notice": text}),
    )  # fmt: skip
    if (case.folder / "catalog.parquet").is_file():
        return case.catalog, pixels, case.audit
    catalog = catalog.with_columns({"near": near_clusters(catalog)})
    # One unusable image says nothing about the others: the split sees all, training only what is usable.
    catalog = split(catalog, val=wanted.data.val, test=wanted.data.test, seed=0)
    watch({"title": "embed and judge labels"})
    task = TASKS.pick(wanted.task)()
    setting = setting_of(wanted.train, costs.setting)
    catalog = measure(catalog, pixels, setting.prepare(task.model(wanted, catalog.classes)), setting, size=size)
    catalog = catalog.drop_columns(["thumb"])
    findings = audit(catalog)
    catalog.save(case.folder / "catalog.parquet")
    case.write_audit(findings)
    return catalog, pixels, findings


def _advised(
    case: Case, catalog: Catalog, findings: tuple[Finding, ...], cost: Cost, settings: Settings, wanted: Recipe,
    given: Mapping[str, Any], sizes: tuple[int, int], costs: Costs, watch: Watch,
) -> Recipe:  # fmt: skip
    leaked = tuple(dict.fromkeys(i for finding in findings if finding.rule == "leakage" for i in finding.samples))
    advice = advise(catalog, cost, settings.budget, base=wanted, given=given, sizes=sizes, leaked=leaked)
    recipe = advice.recipe
    chosen = list(advice.choices)
    if settings.epochs is not None:
        recipe = spread(recipe, settings.epochs)
        shares = [stage.model_dump(mode="json") for stage in recipe.stages]
        reason = f"{settings.epochs} epochs were asked for; they are shared out as the staged recipe does"
        mine = Choice("stages", shares, reason, "SPEC M3", f"按要求共 {settings.epochs} 轮，按分阶段方案分配")
        chosen = [mine if choice.key == "stages" else choice for choice in chosen]
    setting = setting_of(recipe.train, costs.setting)
    fixed = {"train.precision": setting.precision, "train.layout": setting.layout, "train.compile": setting.compile}
    recipe = recipe.change({**fixed, **_parts(recipe, setting)}).resolve()
    choices = [
        {"key": c.key, "value": _short(c.value), "reason": c.reason, "reason_zh": c.reason_zh, "source": c.source}
        for c in chosen
    ]
    probed = (
        f"measured here: fastest of {len(costs.candidates)} settings, {costs.all * 1000:.1f} ms per image of {costs.size} px, "
        f"{costs.gain:.2f} times as fast as torch's default"
    )
    choices.append(
        {"key": "train.precision, train.layout", "value": f"{setting.precision}, {setting.layout}", "reason": probed,
         "reason_zh": f"本机实测最快：每张 {costs.size} 像素图像 {costs.all * 1000:.1f} 毫秒，是默认设置的 {costs.gain:.2f} 倍", "source": "probe"}
    )  # fmt: skip
    counts = [len(catalog.usable().of(split)) for split in ("train", "val")]
    estimate = seconds(recipe, cost, *counts)
    case.write(
        "plan",
        {
            "choices": choices, "given": {**given, **({"epochs": settings.epochs} if settings.epochs else {})},
            "budget": settings.budget, "estimate": estimate, "recipe": recipe.plain(),
            "costs": {"seconds_per_image": costs.all, "size": costs.size, "candidates": costs.candidates, "gain": costs.gain},
        },
    )  # fmt: skip
    watch({"advice": choices, "estimate": estimate})
    return recipe


def _short(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) > 20:
        return f"{len(value)} samples"
    return value


def spread(recipe: Recipe, epochs: int) -> Recipe:
    """The stages scaled so that their epochs add up to `epochs` (never below one each)."""
    total = sum(stage.epochs for stage in recipe.stages)
    shares = [max(1, round(stage.epochs * epochs / total)) for stage in recipe.stages]
    shares[-1] = max(1, shares[-1] + epochs - sum(shares))
    return recipe.change({f"stages.{i}.epochs": share for i, share in enumerate(shares)})


def _leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    # Lists count as one value: a user's stages replace the advised ones as a whole.
    if isinstance(tree, dict):
        return {k: v for key, item in tree.items() for k, v in _leaves(item, f"{prefix}{key}.").items()}
    return {prefix[:-1]: tree}
