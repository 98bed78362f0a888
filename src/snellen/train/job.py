"""Everything of a training that stays the same from its first step to its last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from snellen.catalog import OK, Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.shelf import READERS, TASKS
from snellen.train.augment import Augmenter, augmenter
from snellen.train.draws import seed_of
from snellen.train.machine import PINNED, Setting, environment
from snellen.train.source import Samples
from snellen.train.switches import switched
from snellen.values import SnellenError


@dataclass(frozen=True, slots=True)
class Job:
    """What the loop works with: the run's folder, the resolved recipe, the task, the model, and the samples by role."""

    run: Run
    recipe: Recipe
    task: Any
    model: nn.Module
    classes: tuple[str, ...]
    pool: Samples  # every usable training sample, also those that the recipe drops: what is cached serves all recipes
    training: Samples
    validation: Samples
    subset: Samples
    augmenter: Augmenter
    setting: Setting
    cache: Path

    @property
    def normal(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation that the backbone expects, per channel of 0..1 pixels."""
        return self.augmenter.mean, self.augmenter.std


def begin(recipe: Recipe, catalog: Catalog, pixels: Pixels, folder: Path, setting: Setting, cache: Path) -> Job:
    """Make or reopen the run's folder and build what training needs; raises SnellenError for data that cannot train."""
    recipe = recipe.resolve()
    if recipe.train.threads:
        torch.set_num_threads(recipe.train.threads)
    run = _run(folder, recipe, catalog, setting)
    task = TASKS.pick(recipe.task)()
    usable = usable_for(recipe, catalog)
    classes = task.classes(usable)
    torch.manual_seed(seed_of(recipe.seed, 1))
    model = setting.prepare(switched(task.model(recipe, classes), recipe.train))
    mean, std = normal_of(model)
    parts = (pool_of(task, catalog, classes), usable.of("train"), usable.of("val"))
    pool, training, validation = samples_of(task, recipe, parts, classes, pixels, cache)
    return Job(
        run, recipe, task, model, classes, pool, training, validation, _subset(training, recipe),
        augmenter(recipe, classes, mean, std), setting, cache,
    )  # fmt: skip


def usable_for(recipe: Recipe, catalog: Catalog) -> Catalog:
    """The samples that this recipe trains and validates on. Raises SnellenError past the limit of unusable samples,
    and where training or validation would be empty."""
    task = TASKS.pick(recipe.task)()
    fit = task.fit(catalog)
    bad = int(((catalog.column("verdict").astype(str) != OK) | ~fit).sum())
    if bad > max(recipe.data.max_bad * len(catalog), 0):
        raise SnellenError(
            f"{bad} of {len(catalog)} images cannot be used ({bad / len(catalog):.1%}), more than data.max_bad = "
            f"{recipe.data.max_bad:.1%}; see the audit's list, mend or remove them, or raise data.max_bad"
        )
    # Only training samples are ever dropped: what is validated and tested on belongs to the question.
    train = np.isin(catalog.column("split").astype(str), ["train"])
    dropped = np.isin(np.asarray(catalog.ids, dtype=str), list(recipe.data.drop)) & train
    usable = catalog.where(~dropped & fit).usable()
    known: Catalog = task.known(usable, task.classes(usable))
    for split in ("train", "val"):
        if not len(known.of(split)):
            raise SnellenError(
                f"there is no usable image in the {split} split; add some or let data.val split them off"
            )
    return known


def normal_of(model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The pretrained backbone's mean and standard deviation (0.5 where it names none)."""
    about: Any = getattr(model, "pretrained_cfg", None) or {}
    return tuple(about.get("mean", (0.5,) * 3)), tuple(about.get("std", (0.5,) * 3))


def pool_of(task: Any, catalog: Catalog, classes: tuple[str, ...]) -> Catalog:
    """Every training sample that can be used, also those that a recipe drops."""
    found: Catalog = task.known(catalog.where(task.fit(catalog)).usable().of("train"), classes)
    return found


def samples_of(
    task: Any, recipe: Recipe, parts: Sequence[Catalog], classes: tuple[str, ...], pixels: Pixels, cache: Path | None
) -> list[Samples]:
    """The parts of a catalog made ready to be read, each by the task's reader, which may keep things under `cache`."""
    name = TASKS.constant(recipe.task, "READER")
    read = READERS.pick(name)
    return [
        Samples.of(
            part, task.target(part, classes), pixels, read(task, part, classes, pixels, recipe=recipe, cache=cache)
        )
        for part in parts
    ]


def _subset(training: Samples, recipe: Recipe) -> Samples:
    # The smallest keys: the same samples in every run, whatever else was dropped.
    return training.take(np.sort(np.argsort(training.keys, kind="stable")[: recipe.train.gap_samples]))


def _run(folder: Path, recipe: Recipe, catalog: Catalog, setting: Setting) -> Run:
    if not (folder / "recipe.yaml").is_file():
        return Run.create(folder, recipe, catalog, environment(setting))
    run = Run.open(folder)
    changed = run.recipe.diff(recipe)
    if changed:
        raise SnellenError(f"{folder} was begun with another recipe ({', '.join(changed)} differ); use a new folder")
    before, now = run.environment, environment(setting)
    for key in PINNED:
        if before[key] != now[key]:
            raise SnellenError(
                f"{folder} was begun with {key} {before[key]}, now it is {now[key]}: bits would differ; "
                f"resume with the same {key} or begin anew"
            )
    return run
