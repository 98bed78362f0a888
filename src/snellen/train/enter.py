"""Entering a stage: what trains, what it reads, how fast it learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snellen.recipe import Stage
from snellen.shelf import SCHEDULES
from snellen.train import stages
from snellen.train.activations import cut, pays, tail_rows, view_count, view_source, views_of
from snellen.train.average import Average
from snellen.train.draws import seed_of, uniforms
from snellen.train.features import Head, cached, digest, embed, trunk_digest
from snellen.train.folded import folded
from snellen.train.job import Job
from snellen.train.kept_features import kept, origin
from snellen.train.observe import RowsOf, predict, rows_of
from snellen.train.once import features
from snellen.train.optimizer import optimizer_of, set_rate
from snellen.train.source import ActivationSource, FeatureSource, PixelSource, Samples

Multiplier = Callable[[int, Sequence[float]], float]


@dataclass(frozen=True, slots=True)
class Entered:
    """A stage that is ready to run."""

    stage: Stage
    number: int
    net: nn.Module
    sections: dict[str, list[nn.Parameter]]
    source: PixelSource | ActivationSource | FeatureSource
    optimizer: torch.optim.Optimizer
    average: Average
    multiplier: Multiplier
    rows: RowsOf
    scaler: torch.amp.GradScaler

    def pair(self, job: Job, chosen: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Input and targets of the training samples at these positions. What comes from a cache has labels only."""
        if isinstance(self.source, PixelSource):
            return self.source.pair(chosen, epoch)
        return self.source.batch(chosen, epoch), torch.from_numpy(job.training.targets[chosen])

    def set_rate(self, base: float, step: int, scores: Sequence[float] = ()) -> float:
        """Set and return the rate of step `step` of the stage: base × stage's scale × schedule; `scores` is the metric after
        each epoch of the stage so far. Groups have their own share of it."""
        lr = base * self.stage.lr_scale * self.multiplier(step, scores)
        set_rate(self.optimizer.param_groups, lr)
        return lr


def enter(job: Job, number: int, *, tell: Callable[[str], None] = lambda words: None) -> Entered:
    """Freeze and unfreeze, build the optimiser anew (its moments do not outlive a stage), choose the source; `tell` hears
    where a cache that would pay cannot be had."""
    stage = job.recipe.stages[number]
    sections = dict(stages.freeze(job.model, stage.unfreeze))
    stages.set_modes(job.model, freeze_norm=job.recipe.train.freeze_norm)
    optim = job.recipe.optim
    groups = stages.groups(sections, optim, model=job.model)
    optimizer = optimizer_of(optim, groups, optim.lr * stage.lr_scale)
    average = Average(job.model, job.recipe.train.ema)
    multiplier, scaler = multiplier_of(job, stage), job.setting.scaler()
    if stage.unfreeze == "head" and reads_vectors(job.model):
        head = Head(job.model, dropout=job.recipe.model.dropout)
        # Only the head trains: until the next stage is entered the trunk's weights are these.
        trunk = trunk_digest(job.model)
        source = FeatureSource(view_features(job, trunk))
        rows = _feature_rows(job, head, trunk)
        return Entered(stage, number, head, sections, source, optimizer, average, multiplier, rows, scaler)
    tail = cut(job, stage)
    cached_views = view_source(job, stage, tail) if tail is not None else None
    if cached_views is None and pays(job, stage):
        why = "cannot be cut off exactly" if tail is None else "has activations that are too large to keep"
        tell(f"the frozen part of {job.recipe.model.name} {why}: stage {stage.name} runs it again in every epoch")
    pixels = cached_views or PixelSource(job.training, job.augmenter, job.recipe.seed, _sizes(job, stage))
    net = tail if tail is not None and cached_views is not None else job.model
    rows = tail_rows(job, tail) if tail is not None else lambda samples: predict(job, samples)
    return Entered(stage, number, net, sections, pixels, optimizer, average, multiplier, rows, scaler)


def reads_vectors(model: nn.Module) -> bool:
    """Whether the model's head reads one vector of an image, which can be computed once and kept; maps are too large."""
    return hasattr(model, "forward_head")


# Progressive resolution: the share of the size to begin with, and the share of the epochs after which it is reached.
SMALLEST, GROWN = 0.6, 0.7


def _sizes(job: Job, stage: Stage) -> tuple[int, ...]:
    """Image side by pass: constant, or growing by epoch where the recipe says so (Howard 2018, fast.ai on DAWNBench; Tan & Le
    2021, arXiv:2104.00298, section 4)."""
    sides = _growing(job, stage)
    return tuple(side for side in sides for _ in range(job.recipe.train.passes))


def _growing(job: Job, stage: Stage) -> tuple[int, ...]:
    size = job.recipe.data.size
    fixed = getattr(job.model, "only_size", None) is not None  # Built for one size.
    if fixed or not job.recipe.train.progressive or stage.unfreeze != "all" or stage.epochs < 3:
        return (size,) * stage.epochs
    last = max(1, round(GROWN * stage.epochs))
    shares = [min(1.0, SMALLEST + (1 - SMALLEST) * epoch / last) for epoch in range(stage.epochs)]
    return tuple(min(size, max(32, round(size * share / 16) * 16)) for share in shares)


def batches(job: Job, number: int, epoch: int) -> list[np.ndarray]:
    """Positions of the training samples, batch by batch, of all passes of an epoch.

    Uniform: every sample once, ordered by its own draw, so that a dropped sample leaves the others' order as it was.
    Balanced: as many draws, every class equally often (SPEC T6). A last batch of one sample joins the one before it,
    because batch-norm cannot train on one.
    """
    passes = job.recipe.train.passes
    return [chosen for turn in range(epoch * passes, (epoch + 1) * passes) for chosen in _pass(job, number, turn)]


def pass_of(job: Job, epoch: int, batch: int) -> int:
    """Which pass through the training samples a batch of an epoch belongs to, counted over the stage: what augmentation draws by."""
    return epoch * job.recipe.train.passes + batch // (len(_cuts(job)) + 1)


def _cuts(job: Job) -> list[int]:
    n, size = len(job.training), job.recipe.train.batch
    cuts = list(range(size, n, size))
    if cuts and n - cuts[-1] == 1:
        cuts.pop()
    return cuts


def _pass(job: Job, number: int, turn: int) -> list[np.ndarray]:
    draws = uniforms(seed_of(job.recipe.seed, 2, number), turn, job.training.keys, 1)[:, 0]
    order = np.argsort(draws, kind="stable")
    if job.recipe.train.sampling == "balanced":
        order = _balanced(job, seed_of(job.recipe.seed, 3, number, turn))
    return np.split(order, _cuts(job))


def _balanced(job: Job, seed: int) -> np.ndarray:
    counts = np.bincount(job.training.targets, minlength=len(job.classes))
    weights = 1.0 / counts[job.training.targets]
    return np.random.default_rng(seed).choice(len(job.training), len(job.training), p=weights / weights.sum())


def multiplier_of(job: Job, stage: Stage) -> Multiplier:
    """(step of the stage from 0, metric after each of its epochs so far) -> warm-up and schedule as a multiple of its rate."""
    schedule = SCHEDULES.build(stage.schedule.name, stage.schedule.settings)
    per_epoch = len(batches(job, 0, 0))
    total, warm = per_epoch * stage.epochs, round(per_epoch * min(stage.warmup, stage.epochs / 2))

    reads_scores = SCHEDULES.constant(stage.schedule.name, "READS_SCORES")

    def multiplier(step: int, scores: Sequence[float] = ()) -> float:
        if step < warm:
            return (step + 1) / warm
        progress = (step - warm) / max(total - warm, 1)
        return float(schedule(progress, scores) if reads_scores else schedule(progress))

    return multiplier


def view_features(job: Job, trunk: str = "") -> np.ndarray:
    """Features of the views of every training sample, [views, n, d]. One view alone is the image as evaluation sees it.
    `trunk`: digest of the weights that the model has now, where it is known.

    They are computed for the whole pool, so that recipes which drop samples read the same file."""
    found = _views(job, view_count(job), trunk or trunk_digest(job.model))
    if job.training.ids == job.pool.ids:
        return found  # A step reads its rows from the disk.
    places = {sample: place for place, sample in enumerate(job.pool.ids)}
    return np.asarray(found[:, [places[sample] for sample in job.training.ids]])


def _views(job: Job, views: int, trunk: str) -> np.ndarray:
    if views == 1:
        return plain_features(job, job.pool, job.recipe.data.eval_size or job.recipe.data.size, trunk)[None]
    augment = job.recipe.augment.model_dump(mode="json", include={"parts", "aimed"})
    name = _name(job, job.pool, size=job.recipe.data.size, augment=augment, views=views, trunk=trunk)
    return cached(job.cache / "features", name, lambda: _computed(job))


def _computed(job: Job) -> np.ndarray:
    trial = next(job.pool.take(np.arange(min(2, len(job.pool)))).plain(job.recipe.data.size, *job.normal))
    quick = folded(job.model, job.setting.place(trial))
    return np.stack([embed(quick, view, job.setting) for view in views_of(job)])


def plain_features(job: Job, samples: Samples, size: int, trunk: str = "") -> np.ndarray:
    """Features [n, d] without augmentation: what an earlier pass over the same images has left, else computed now. `trunk`:
    as above."""
    trunk = trunk or trunk_digest(job.model)
    stored = job.training.pixels.size
    about = origin(job.model, job.setting, name=job.recipe.model.name, stored=stored, size=size, trunk=trunk)
    known = kept(job.cache / "features", about, samples.ids)
    if known is not None:
        return np.asarray(known[0][known[1]])
    name = _name(job, samples, size=size, augment="plain", views=1, trunk=trunk)
    return cached(job.cache / "features", name, lambda: features(job.model, samples, job.setting, size=size))


def _name(job: Job, samples: Samples, *, size: int, augment: Any, views: int, trunk: str) -> str:
    return digest(
        {
            "trunk": trunk, "model": job.recipe.model.name, "ids": samples.ids,
            "targets": samples.targets.tolist(), "stored": job.training.pixels.size, "size": size, "augment": augment,
            "views": views, "precision": job.setting.precision, "layout": job.setting.layout,
            "threads": torch.get_num_threads(),
        }
    )  # fmt: skip


def _feature_rows(job: Job, head: Head, trunk: str) -> RowsOf:
    size = job.recipe.data.eval_size or job.recipe.data.size
    known: dict[tuple[str, ...], np.ndarray] = {}  # The trunk stands still: its features are looked up once.

    def rows(samples: Samples) -> Any:
        if samples.ids not in known:
            known[samples.ids] = plain_features(job, samples, size, trunk)
        features = torch.from_numpy(np.array(known[samples.ids])).to(job.setting.device)
        head.eval()
        with torch.no_grad():
            found = rows_of(job, samples, [head(features)])
        head.train()
        return found

    return rows
