"""Everything of a training that stays the same from its first step to its last."""

from __future__ import annotations

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
from snellen.shelf import TASKS
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
    classes = usable.classes
    torch.manual_seed(seed_of(recipe.seed, 1))
    model = setting.prepare(switched(task.model(recipe, classes), recipe.train))
    mean, std = normal_of(model)
    pool = catalog.usable().of("train")
    pool = pool.where(np.isin(pool.column("target").astype(str), classes))
    training = _samples(task, usable.of("train"), classes, pixels)
    return Job(
        run, recipe, task, model, classes, _samples(task, pool, classes, pixels), training, _samples(task, usable.of("val"), classes, pixels),
        _subset(training, recipe), augmenter(recipe, classes, mean, std), setting, cache,
    )  # fmt: skip


def usable_for(recipe: Recipe, catalog: Catalog) -> Catalog:
    """The samples that this recipe trains and validates on. Raises SnellenError past the limit of unusable samples,
    and where training or validation would be empty."""
    bad = int((catalog.column("verdict").astype(str) != OK).sum())
    if bad > max(recipe.data.max_bad * len(catalog), 0):
        raise SnellenError(
            f"{bad} of {len(catalog)} images cannot be used ({bad / len(catalog):.1%}), more than data.max_bad = "
            f"{recipe.data.max_bad:.1%}; see the audit's list, mend or remove them, or raise data.max_bad"
        )
    # Only training samples are ever dropped: what is validated and tested on belongs to the question.
    train = np.isin(catalog.column("split").astype(str), ["train"])
    dropped = np.isin(np.asarray(catalog.ids, dtype=str), list(recipe.data.drop)) & train
    usable = catalog.where(~dropped).usable()
    known = usable.classes
    if len(known) < 2:
        raise SnellenError(f"training needs at least two classes with usable images, found {list(known)}")
    # What training does not know cannot be learnt or scored: the audit lists such a class and blocks.
    usable = usable.where(np.isin(usable.column("target").astype(str), known))
    for split in ("train", "val"):
        if not len(usable.of(split)):
            raise SnellenError(
                f"there is no usable image in the {split} split; add some or let data.val split them off"
            )
    return usable


def normal_of(model: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The pretrained backbone's mean and standard deviation (0.5 where it names none)."""
    about: Any = getattr(model, "pretrained_cfg", None) or {}
    return tuple(about.get("mean", (0.5,) * 3)), tuple(about.get("std", (0.5,) * 3))


def _samples(task: Any, catalog: Catalog, classes: tuple[str, ...], pixels: Pixels) -> Samples:
    return Samples.of(catalog, task.target(catalog, classes), pixels)


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
