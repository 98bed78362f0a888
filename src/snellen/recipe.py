"""Recipe: everything about a run before it starts. Frozen; one door for change; identity is the hash of the resolved recipe."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError, model_validator

from snellen import store
from snellen.shelf import (
    AUGMENTS,
    DECODERS,
    DEGRADATIONS,
    FILTERS,
    LOSSES,
    MODELS,
    OPTIMIZERS,
    SCHEDULES,
    TASKS,
    Shelf,
    hint,
)  # fmt: skip
from snellen.values import SnellenError, freeze, thaw


def _finite(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    for key, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{key} is {value}, expected a finite number")
    return freeze(settings)


Settings = Annotated[Mapping[str, Any], AfterValidator(_finite), PlainSerializer(thaw, return_type=dict)]
Share = Annotated[float, Field(ge=0, lt=1)]
Section = Literal["stage1", "stage2", "stage3", "stage4", "head"]
Rates = Annotated[
    Mapping[Section, Annotated[float, Field(gt=0)]], AfterValidator(_finite), PlainSerializer(thaw, return_type=dict)
]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Part(_Frozen):
    """A part picked from a shelf by name, with its settings."""

    name: str
    settings: Settings = Field(default_factory=dict, validate_default=True)


class AimedPart(Part):
    """An augmentation for the samples of some classes only (SPEC D9)."""

    classes: tuple[str, ...]


class Data(_Frozen):
    """Sizes in pixels; `val` and `test` are the shares split off where the data has none of its own, at random, or the
    latest samples where `time` names a column of times ("auto": the first that is called like one)."""

    size: Annotated[int, Field(ge=16, le=2048)] = 128
    eval_size: Annotated[int, Field(ge=16, le=2048)] | None = None
    val: Share = 0.15
    test: Share = 0.15
    group: str | None = None
    time: str | None = None
    drop: tuple[str, ...] = ()
    max_bad: Share = 0.01


class Model(_Frozen):
    """`weights`: auto (hub or installed package), none, or a file. `name`: any timm name, or a part of the models shelf, whose
    own settings are `settings`. `decoder`: what makes a picture of the named network's maps, for tasks that ask for one."""

    name: str = "tf_efficientnet_lite0"
    weights: str = "auto"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    settings: Settings = Field(default_factory=dict, validate_default=True)
    decoder: Part | None = None


class Optim(_Frozen):
    """`lr` is the peak rate of a stage whose `lr_scale` is 1; `clip` the largest gradient norm (None: no clipping).

    `rates`: multiples of that rate by section of the network (stage1 … stage4, head); `layer_decay`: every layer learns at
    this share of the rate of the layer above it (1: all alike). Both apply together."""

    name: str = "adamw"
    lr: Annotated[float, Field(gt=0)] = 2e-4
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    clip: Annotated[float, Field(gt=0)] | None = 1.0
    rates: Rates = Field(default_factory=dict, validate_default=True)
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    settings: Settings = Field(default_factory=dict, validate_default=True)


class Augment(_Frozen):
    """Per-sample parts in order, parts aimed at some classes, and batch mixes (0 switches a mix off)."""

    parts: tuple[Part, ...] = ()
    aimed: tuple[AimedPart, ...] = ()
    mixup: Annotated[float, Field(ge=0)] = 0.0
    cutmix: Annotated[float, Field(ge=0)] = 0.0


class Degrade(_Frozen):
    """What makes a given image of a wanted one, for tasks that restore images: `parts` of the degradations shelf, and a
    reduction by `scale` after those that blur. `baseline`: the filter to beat (None: none; then it is bicubic enlargement).
    `patches`: how many are cut of each image of a batch."""

    scale: Annotated[int, Field(ge=1, le=8)] = 1
    parts: tuple[Part, ...] = ()
    baseline: Part | None = None
    patches: Annotated[int, Field(ge=1, le=256)] = 4


class Stage(_Frozen):
    """One stage of training: what is unfrozen, for how many epochs, at which multiple of `optim.lr`; warm-up in epochs."""

    name: str
    unfreeze: Literal["head", "last", "all"]
    epochs: Annotated[int, Field(ge=1, le=10_000)]
    lr_scale: Annotated[float, Field(gt=0)] = 1.0
    warmup: Annotated[float, Field(ge=0)] = 0.0
    schedule: Part = Part(name="cosine")

    @model_validator(mode="after")
    def _one_schedule(self) -> Stage:
        if "+" in self.schedule.name:
            raise ValueError(
                f"schedule {self.schedule.name!r}: a stage has one schedule, for two would both set the rate of every step "
                "(one-cycle fixes it beforehand, plateau waits for the metric); choose one, or give each a stage of its own"
            )
        return self


class Train(_Frozen):
    """`views`: augmented copies of each image that stages with a frozen part cycle through; `cache`: whether the frozen
    part of the last-stages training is computed once ("auto": where that pays and fits); `progressive`: training of all
    layers begins with smaller images; `ema`: decay of the averaged weights, 0 is off.

    `accumulate`: into how many parts a batch is cut ("auto": as few as the memory asks for). `precision`: fp16 needs CUDA.
    `compile`: torch.compile, off by default because compiling takes about a minute on a CPU ("auto": where the probe,
    which then takes that minute too, finds it faster). `checkpointing`: activations are computed twice instead of kept.
    `sync_norm`: batch-norm over all processes of a distributed training."""

    batch: Annotated[int, Field(ge=1)] = 32
    accumulate: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    layout: Literal["auto", "contiguous", "channels_last"] = "auto"
    compile: bool | Literal["auto"] = False
    checkpointing: bool = False
    sync_norm: bool = False
    sampling: Literal["uniform", "balanced"] = "uniform"
    ema: Share = 0.99
    views: Annotated[int, Field(ge=1, le=64)] = 4
    cache: Literal["auto", "off"] = "auto"
    progressive: bool = False
    freeze_norm: bool = False
    gap_samples: Annotated[int, Field(ge=1)] = 256
    threads: Annotated[int, Field(ge=1)] | None = None

    @property
    def parts(self) -> int:
        """Into how many parts a batch is cut to begin with: `accumulate`, and 1 where that is still to be found out."""
        return 1 if self.accumulate == "auto" else self.accumulate


class Gates(_Frozen):
    """What must hold before shipping. `score`: least lower bound of the metric on the test split (None: above always
    guessing the largest class)."""

    score: float | None = None
    parity: Annotated[float, Field(gt=0)] = 1e-3


class Improve(_Frozen):
    """The error budget: at most `alpha` chance of adopting any useless remedy, shared by all planned looks. `soup`: whether
    the runs of the proof are averaged at the end."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    remedies: Annotated[int, Field(ge=0, le=50)] = 3
    seeds: Annotated[int, Field(ge=2, le=20)] = 3
    margin: Annotated[float, Field(ge=0)] = 0.01
    soup: bool = True


class Recipe(_Frozen):
    """Everything about a run before it starts."""

    task: str = "classification"
    metric: str = "accuracy"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    data: Data = Data()
    model: Model = Model()
    loss: Part = Part(name="cross_entropy", settings={"smoothing": 0.1})
    optim: Optim = Optim()
    augment: Augment = Augment()
    degrade: Degrade = Degrade()
    stages: tuple[Stage, ...] = (
        Stage(name="head", unfreeze="head", epochs=15, lr_scale=10.0),
        Stage(name="last", unfreeze="last", epochs=5, lr_scale=1.0),
        Stage(name="all", unfreeze="all", epochs=10, lr_scale=0.5, warmup=1.0),
    )
    train: Train = Train()
    gates: Gates = Gates()
    improve: Improve = Improve()

    @model_validator(mode="after")
    def _stage_names_differ(self) -> Recipe:
        names = [stage.name for stage in self.stages]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"stages are named {names}; give at least one, each a name of its own")
        return self

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """Read a YAML recipe; keys left out take their defaults. Raises SnellenError naming file and key."""
        path = Path(path)
        try:
            given = yaml.safe_load(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SnellenError(f"recipe file {path} does not exist") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SnellenError(f"recipe file {path} is not YAML: {error}") from None
        if not isinstance(given, dict):
            raise SnellenError(
                f"recipe file {path} holds {type(given).__name__}, expected keys such as optim: {{lr: 0.0003}}"
            )
        try:
            return cls.make(given)
        except SnellenError as error:
            raise SnellenError(f"recipe file {path}: {error}") from None

    @classmethod
    def make(cls, given: Mapping[str, Any]) -> Recipe:
        """Validate nested keys into a recipe; raises SnellenError that names the key and the nearest known ones."""
        try:
            return cls.model_validate(thaw(given))
        except ValidationError as error:
            raise SnellenError(_explain(error)) from None

    def plain(self) -> dict[str, Any]:
        """The recipe as nested dicts and lists."""
        return self.model_dump(mode="json")

    def change(self, patch: Mapping[str, Any]) -> Recipe:
        """A changed copy, validated anew: `recipe.change({"optim.lr": 3e-4, "stages.2.epochs": 8})`."""
        tree = self.plain()
        for key, value in patch.items():
            _put(tree, key, thaw(value))
        return Recipe.make(tree)

    def resolve(self) -> Recipe:
        """The recipe with every part's settings filled in and every name checked; raises SnellenError."""
        TASKS.file(self.task)
        if (refused := self.refused()) is not None:
            raise SnellenError(refused)
        augment = {
            "parts": [_full(AUGMENTS, part) for part in self.augment.parts],
            "aimed": [{**_full(AUGMENTS, part), "classes": part.classes} for part in self.augment.aimed],
        }
        return self.change(
            {
                "loss": _full(LOSSES, self.loss),
                "model.decoder": _full(DECODERS, self.model.decoder) if self.model.decoder else None,
                "optim.settings": _optimizer(self.optim),
                "augment.parts": augment["parts"],
                "augment.aimed": augment["aimed"],
                "degrade.parts": [_full(DEGRADATIONS, part) for part in self.degrade.parts],
                "degrade.baseline": _full(FILTERS, self.degrade.baseline) if self.degrade.baseline else None,
                "data.eval_size": self.data.eval_size or self.data.size,
                **{f"stages.{i}.schedule": _full(SCHEDULES, stage.schedule) for i, stage in enumerate(self.stages)},
            }
        )

    def refused(self) -> str | None:
        """Why the loss, the optimiser or a schedule cannot be used with the task or another choice, if so (`Shelf.refusal`)."""
        schedules = ((SCHEDULES, stage.schedule.name) for stage in self.stages)
        parts = ((LOSSES, self.loss.name), (OPTIMIZERS, self.optim.name), *schedules)
        return next(filter(None, (shelf.refusal(name, self) for shelf, name in parts)), None)

    @property
    def id(self) -> str:
        """Twelve hex digits of the hash of the resolved recipe without its seed: seeds of one recipe share it."""
        tree = self.resolve().plain()
        del tree["seed"]
        return hashlib.blake2b(json.dumps(tree, sort_keys=True).encode(), digest_size=6).hexdigest()

    def diff(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Dotted keys whose resolved values differ: key → (mine, the other's)."""
        mine, theirs = flatten(self.resolve().plain()), flatten(other.resolve().plain())
        return {k: (mine.get(k), theirs.get(k)) for k in sorted({*mine, *theirs}) if mine.get(k) != theirs.get(k)}

    def save(self, path: Path) -> None:
        """Write the recipe as YAML."""
        store.write_text(path, yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True))

    def model_part(self) -> Part:
        """The model's part: one of the shelf by that name, else timm with that name."""
        return Part(name=self.model.name if self.model.name in MODELS.names() else "timm_model")


def _optimizer(optim: Optim) -> dict[str, Any]:
    """All settings of the optimiser; where it is one around another (`base`), the other's too."""
    settings = OPTIMIZERS.resolve(optim.name, optim.settings)
    if "base" not in settings:
        return settings
    inner = str(settings["base"])
    if "base" in OPTIMIZERS.settings(inner):
        raise SnellenError(
            f"optimizer {optim.name!r} goes around one that steps itself, not around {inner!r}; try 'adamw'"
        )
    return {**settings, "settings": OPTIMIZERS.resolve(inner, settings.get("settings") or {})}


def _full(shelf: Shelf, part: Part) -> dict[str, Any]:
    return {"name": part.name, "settings": shelf.resolve(part.name, part.settings)}


def flatten(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dicts and lists as one dict of dotted keys."""
    if isinstance(tree, dict) and tree:
        return {k: v for key, item in tree.items() for k, v in flatten(item, f"{prefix}{key}.").items()}
    if isinstance(tree, list) and tree:
        return {k: v for key, item in enumerate(tree) for k, v in flatten(item, f"{prefix}{key}.").items()}
    return {prefix[:-1]: tree}


def _put(tree: Any, dotted: str, value: Any) -> None:
    *way, last = dotted.split(".")
    node = tree
    for depth, step in enumerate(way):
        node = _step(node, step, ".".join(way[: depth + 1]))
    if isinstance(node, list):
        node[_index(node, last, dotted)] = value
    elif isinstance(node, dict):
        # Settings of a part are open here: the part's own signature checks them.
        if last not in node and (not way or way[-1] not in ("settings", "rates")):
            raise SnellenError(f"recipe has no key {dotted!r}{hint(last, node)}")
        node[last] = value
    else:
        raise SnellenError(f"recipe key {dotted!r}: {'.'.join(way)} holds the value {node!r} and has no keys below it")


def _step(node: Any, step: str, dotted: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, step, dotted)]
    if not isinstance(node, dict) or step not in node:
        raise SnellenError(f"recipe has no key {dotted!r}{hint(step, node if isinstance(node, dict) else {})}")
    return node[step]


def _index(node: list[Any], step: str, dotted: str) -> int:
    # Stages and parts are reached by position or by name: stages.all.epochs.
    named = [i for i, item in enumerate(node) if isinstance(item, dict) and item.get("name") == step]
    if named:
        return named[0]
    if step.isdecimal() and int(step) < len(node):
        return int(step)
    names = [str(item.get("name")) for item in node if isinstance(item, dict)]
    raise SnellenError(f"recipe key {dotted!r}: no entry {step!r}, there are {len(node)}: {', '.join(names)}")


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        where = ".".join(map(str, item["loc"])) or "recipe"
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown recipe key {where!r}{hint(str(item['loc'][-1]), _known(item['loc'][:-1]))}")
        else:
            lines.append(f"recipe key {where!r} is {item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}")
    return "\n".join(lines)


def _known(way: tuple[int | str, ...]) -> tuple[str, ...]:
    node: Any = Recipe().plain()
    for step in way:
        if isinstance(node, list):
            node = node[0] if node else {}
        elif isinstance(node, dict):
            node = node.get(str(step), {})
    return tuple(node) if isinstance(node, dict) else ()
