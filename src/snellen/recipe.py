"""Recipe: everything about a run before it starts. Frozen; one door for change; identity is the hash of the resolved recipe."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationError, model_validator

from snellen import store
from snellen.recipe_keys import flatten, names_first, put
from snellen.recipe_sections import (
    AimedPart,
    Augment,
    Data,
    Degrade,
    Frozen,
    Gates,
    Improve,
    Model,
    Optim,
    Part,
    Stage,
    Train,
)
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
)
from snellen.values import SnellenError, thaw

__all__ = [
    "AimedPart", "Augment", "Data", "Degrade", "Gates", "Improve", "Model", "Optim", "Part", "Recipe", "Stage", "Train", "flatten",
]  # fmt: skip


class Recipe(Frozen):
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
        """A changed copy, validated anew: `recipe.change({"optim.lr": 3e-4, "stages.2.epochs": 8})`.

        Keys are set in their order, but for a part's settings: they come after its name, which empties them where it is another."""
        tree = self.plain()
        for key in names_first(list(patch)):
            put(tree, key, thaw(patch[key]))
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
        """Why the loss, the optimiser, a schedule or a mix of images cannot be used with the task or another choice, if so
        (`Shelf.refusal`)."""
        schedules = ((SCHEDULES, stage.schedule.name) for stage in self.stages)
        parts = ((LOSSES, self.loss.name), (OPTIMIZERS, self.optim.name), *schedules)
        reasons = (self._mixes_refused(), *(shelf.refusal(name, self) for shelf, name in parts))
        return next(filter(None, reasons), None)

    def _mixes_refused(self) -> str | None:
        if not (self.augment.mixup or self.augment.cutmix) or TASKS.constant(self.task, "MIXES"):
            return None
        return (
            f"augment.mixup = {self.augment.mixup:g} and augment.cutmix = {self.augment.cutmix:g} mix labels of whole images, "
            f"and {self.task} has none; set both to 0"
        )

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


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        where = ".".join(map(str, item["loc"])) or "recipe"
        if item["type"] == "extra_forbidden":
            lines.append(f"unknown recipe key {where!r}{hint(str(item['loc'][-1]), _known(item['loc'][:-1]))}")
        else:
            near = get_close_matches(
                str(item["input"]), re.findall(r"'([^']*)'", str(item.get("ctx", {}).get("expected", "")))
            )
            meant = f"; did you mean {near[0]!r}?" if near else ""
            lines.append(f"recipe key {where!r} is {item['input']!r}: {item['msg'][0].lower()}{item['msg'][1:]}{meant}")
    return "\n".join(lines)


def _known(way: tuple[int | str, ...]) -> tuple[str, ...]:
    node: Any = Recipe().plain()
    for step in way:
        if isinstance(node, list):
            node = node[0] if node else {}
        elif isinstance(node, dict):
            node = node.get(str(step), {})
    return tuple(node) if isinstance(node, dict) else ()
