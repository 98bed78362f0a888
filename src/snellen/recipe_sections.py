"""The sections of a recipe: what can be chosen of data, model, loss, optimiser, augmentation, stages, training, gates and proof."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from snellen.values import freeze, thaw


def _finite(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    for key, value in settings.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{key} is {value}, expected a finite number")
    return freeze(settings)


def _off(value: Any) -> Any:
    """YAML reads off as false."""
    return "off" if value is False else value


Settings = Annotated[Mapping[str, Any], AfterValidator(_finite), PlainSerializer(thaw, return_type=dict)]
Share = Annotated[float, Field(ge=0, lt=1)]
Section = Literal["stage1", "stage2", "stage3", "stage4", "head"]
Rates = Annotated[
    Mapping[Section, Annotated[float, Field(gt=0)]], AfterValidator(_finite), PlainSerializer(thaw, return_type=dict)
]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Part(Frozen):
    """A part picked from a shelf by name, with its settings."""

    name: str
    settings: Settings = Field(default_factory=dict, validate_default=True)


class AimedPart(Part):
    """An augmentation for the samples of some classes only (SPEC D9)."""

    classes: tuple[str, ...]


class Data(Frozen):
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


class Model(Frozen):
    """`weights`: auto (hub or installed package), none, or a file. `name`: any timm name, or a part of the models shelf, whose
    own settings are `settings`. `decoder`: what makes a picture of the named network's maps, for tasks that ask for one."""

    name: str = "tf_efficientnet_lite0"
    weights: str = "auto"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0
    settings: Settings = Field(default_factory=dict, validate_default=True)
    decoder: Part | None = None


class Optim(Frozen):
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


class Augment(Frozen):
    """Per-sample parts in order, parts aimed at some classes, and batch mixes (0 switches a mix off)."""

    parts: tuple[Part, ...] = ()
    aimed: tuple[AimedPart, ...] = ()
    mixup: Annotated[float, Field(ge=0)] = 0.0
    cutmix: Annotated[float, Field(ge=0)] = 0.0


class Degrade(Frozen):
    """What makes a given image of a wanted one, for tasks that restore images: `parts` of the degradations shelf, and a
    reduction by `scale` after those that blur. `baseline`: the filter to beat (None: none; then it is bicubic enlargement).
    `patches`: how many are cut of each image of a batch."""

    scale: Annotated[int, Field(ge=1, le=8)] = 1
    parts: tuple[Part, ...] = ()
    baseline: Part | None = None
    patches: Annotated[int, Field(ge=1, le=256)] = 4


class Stage(Frozen):
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


class Train(Frozen):
    """`passes`: how often an epoch goes through the training images before it is evaluated: where they are few, a look at
    validation after each pass would cost as much as the training. `views`: augmented copies of each image that stages with a frozen part cycle through (1: the image as evaluation sees
    it, which the audit has shown to the network already); `cache`: whether the frozen
    part of the last-stages training is computed once ("auto": where that pays and fits); `progressive`: training of all
    layers begins with smaller images; `ema`: decay of the averaged weights, 0 is off.

    `accumulate`: into how many parts a batch is cut ("auto": as few as the memory asks for). `precision`: fp16 needs CUDA.
    `compile`: torch.compile, off by default because compiling takes about a minute on a CPU ("auto": where the probe,
    which then takes that minute too, finds it faster). `checkpointing`: activations are computed twice instead of kept.
    `sync_norm`: batch-norm over all processes of a distributed training. `autopilot`: rules look while training goes on, and
    act: back to the best weights so far with a lower rate, or an early end. `renorm`: when training has ended, the statistics of
    batch-norm are measured anew for the weights that were kept."""

    batch: Annotated[int, Field(ge=1)] = 32
    accumulate: Annotated[int, Field(ge=1)] | Literal["auto"] = 1
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    layout: Literal["auto", "contiguous", "channels_last"] = "auto"
    compile: bool | Literal["auto"] = False
    checkpointing: bool = False
    sync_norm: bool = False
    sampling: Literal["uniform", "balanced"] = "uniform"
    ema: Share = 0.99
    passes: Annotated[int, Field(ge=1, le=256)] = 1
    views: Annotated[int, Field(ge=1, le=64)] = 4
    cache: Annotated[Literal["auto", "off"], BeforeValidator(_off)] = "auto"
    progressive: bool = False
    freeze_norm: bool = False
    gap_samples: Annotated[int, Field(ge=1)] = 256
    autopilot: bool = False
    renorm: bool = False
    threads: Annotated[int, Field(ge=1)] | None = None

    @property
    def parts(self) -> int:
        """Into how many parts a batch is cut to begin with: `accumulate`, and 1 where that is still to be found out."""
        return 1 if self.accumulate == "auto" else self.accumulate


class Gates(Frozen):
    """What must hold before shipping. `score`: least lower bound of the metric on the test split, of a log loss the
    largest upper bound (None: better than always guessing the largest class)."""

    score: float | None = None
    parity: Annotated[float, Field(gt=0)] = 1e-3


class Improve(Frozen):
    """The error budget: at most `alpha` chance of adopting any useless remedy, shared by all planned looks. `soup`: whether
    the runs of the proof are averaged at the end (else the best of them on validation is taken). `temperature`: whether a
    classifier is tempered at the end, where validation shows that it helps."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    remedies: Annotated[int, Field(ge=0, le=50)] = 3
    seeds: Annotated[int, Field(ge=2, le=20)] = 3
    margin: Annotated[float, Field(ge=0)] = 0.01
    soup: bool = True
    temperature: bool = True
