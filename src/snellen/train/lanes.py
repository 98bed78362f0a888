"""Lanes: recipes of one head stage made ready to be trained together, sorted by what they read.

What a step reads (rows, view, mixes, dropout's draws) follows from the seed, the step and the sample ids. Recipes that
differ only in how they learn (rate, loss, weight decay, clipping, average, optimiser) read the same: they are one lane.
Samples, networks and features are made once each, whatever the number of recipes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor, nn

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.run import Run
from snellen.shelf import TASKS
from snellen.train import stages
from snellen.train.augment import augmenter
from snellen.train.average import Average
from snellen.train.checkpoint import State
from snellen.train.draws import seed_of
from snellen.train.enter import Multiplier, multiplier_of, plain_features, view_features
from snellen.train.features import Head, trunk_digest
from snellen.train.job import Job, normal_of, pool_of, samples_of, usable_for
from snellen.train.machine import Setting
from snellen.train.objective import headed_by, kind_of, objective
from snellen.train.source import FeatureSource
from snellen.train.step import LossFunction
from snellen.values import thaw

Item = TypeVar("Item")


@dataclass(slots=True)
class Arm:
    """One recipe and seed in training.

    `net` is its own head and the model of its `job`; `kind` says which arms share a loss; `groups` are the optimiser's
    parameter groups that it is in; `broken` says that something was not finite, `culled` that it was asked to train no further.
    """

    job: Job
    net: Head
    parameters: list[nn.Parameter]
    kind: str
    loss: LossFunction
    multiplier: Multiplier
    average: Average
    state: State = field(default_factory=State)
    groups: list[dict[str, Any]] = field(default_factory=list)
    broken: bool = False
    culled: bool = False


@dataclass(slots=True)
class Lane:
    """Arms that read the same batches: training sample i is row `places[i]` of the source; `plain` [n, d] is validation.

    `plan` holds the batches of the present epoch, as positions of training samples.
    """

    source: FeatureSource
    places: np.ndarray
    plain: Tensor
    arms: list[Arm] = field(default_factory=list)
    plan: list[np.ndarray] = field(default_factory=list)

    @property
    def job(self) -> Job:
        """A job whose recipe reads what all of the lane read."""
        return self.arms[0].job

    def live(self, epoch: int) -> list[Arm]:
        """The arms that train in this epoch; they have taken the same number of steps."""
        left = [arm for arm in self.arms if not (arm.broken or arm.culled)]
        return [arm for arm in left if epoch < arm.job.recipe.stages[0].epochs]


def lanes_of(
    recipes: Iterable[Recipe], catalog: Catalog, pixels: Pixels, *, setting: Setting, cache: Path
) -> list[Lane]:
    """The arms of resolved recipes, lane by lane. Features are read from `cache`/features or made there; no run's folder is.

    Raises SnellenError for data that cannot train.
    """
    samples: dict[Hashable, tuple[Any, ...]] = {}
    read: dict[Hashable, tuple[FeatureSource, Tensor]] = {}
    lanes: dict[Hashable, Lane] = {}
    jobs = [_job(recipe, catalog, pixels, setting, cache, samples) for recipe in recipes]
    # One whole network at a time: of each only the head is kept.
    for alike in grouped(jobs, _network):
        model = _model(alike[0])
        trunk = trunk_digest(model)
        for bare in alike:
            job = replace(bare, model=model, augmenter=augmenter(bare.recipe, bare.classes, *normal_of(model)))
            source, plain = _features(job, trunk, read)
            lane = lanes.setdefault((id(source), _reads(job.recipe)), Lane(source, _places(job), plain))
            lane.arms.append(_arm(job))
    return list(lanes.values())


def grouped(items: Iterable[Item], key: Callable[[Item], Hashable]) -> list[list[Item]]:
    """The items by equal key, keys and items in the order in which they come."""
    found: dict[Hashable, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return list(found.values())


def text(value: Any) -> str:
    """A part or its settings as text, to be compared."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else thaw(value)
    return json.dumps(plain, sort_keys=True)


def _job(
    recipe: Recipe, catalog: Catalog, pixels: Pixels, setting: Setting, cache: Path, known: dict[Hashable, Any]
) -> Job:
    """What `begin` makes, but for the run's folder, the model and what follows from it."""
    task = TASKS.pick(recipe.task)()
    key = (recipe.task, recipe.data.drop, recipe.data.max_bad)
    if key not in known:
        usable = usable_for(recipe, catalog)
        classes = task.classes(usable)
        parts = (pool_of(task, catalog, classes), usable.of("train"), usable.of("val"))
        known[key] = classes, *samples_of(task, recipe, parts, classes, pixels, cache)
    classes, pool, training, validation = known[key]
    return Job(
        run=Run(cache), recipe=recipe, task=task, model=nn.Identity(), classes=classes, pool=pool, training=training,
        validation=validation, subset=training, augmenter=None, setting=setting, cache=cache,  # type: ignore[arg-type]
    )  # fmt: skip


def _network(job: Job) -> Hashable:
    """What a network's first weights follow from; its dropout is the head's business, which each arm has of its own."""
    recipe = job.recipe
    return (
        recipe.task,
        text(recipe.model.model_dump(mode="json", exclude={"dropout"})),
        headed_by(recipe),
        job.classes,
        recipe.seed,
        recipe.train.threads,
    )


def _model(job: Job) -> nn.Module:
    if job.recipe.train.threads:
        torch.set_num_threads(job.recipe.train.threads)
    torch.manual_seed(seed_of(job.recipe.seed, 1))
    return job.setting.prepare(job.task.model(job.recipe, job.classes))


def _features(job: Job, trunk: str, read: dict[Hashable, tuple[FeatureSource, Tensor]]) -> tuple[FeatureSource, Tensor]:
    """Views of the whole pool, and the plain features of validation."""
    data, size = job.recipe.data, job.recipe.data.eval_size or job.recipe.data.size
    augment = job.recipe.augment.model_dump_json(include={"parts", "aimed"})
    key = (trunk, job.recipe.model.name, job.classes, data.size, size, augment, job.recipe.train.views, data.max_bad)
    if key not in read:
        whole = replace(job, training=job.pool)
        plain = torch.from_numpy(np.array(plain_features(whole, whole.validation, size, trunk)))
        read[key] = FeatureSource(view_features(whole, trunk)), job.setting.place(plain)
    return read[key]


def _reads(recipe: Recipe) -> Hashable:
    """What decides, beside the features, which inputs and targets a step has."""
    train, augment = recipe.train, recipe.augment
    mixes = (augment.mixup, augment.cutmix)
    return (
        recipe.seed,
        recipe.data.drop,
        train.batch,
        train.passes,
        train.sampling,
        train.parts,
        recipe.model.dropout,
        mixes,
    )


def _places(job: Job) -> np.ndarray:
    places = {sample: place for place, sample in enumerate(job.pool.ids)}
    return np.asarray([places[sample] for sample in job.training.ids], dtype=np.int64)


def _arm(job: Job) -> Arm:
    recipe = job.recipe
    net = copy.deepcopy(Head(job.model, dropout=recipe.model.dropout))
    net.requires_grad_(True)
    stages.set_modes(net, freeze_norm=recipe.train.freeze_norm)
    own = replace(job, model=net)
    rate = multiplier_of(own, recipe.stages[0])
    average = Average(net, recipe.train.ema)
    return Arm(own, net, list(net.parameters()), kind_of(own), objective(own), rate, average)
