"""Cached activations at the frozen boundary of a stage: what training reads, and what evaluation reads."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snellen import store
from snellen.recipe import Stage
from snellen.train.boundary import Tail, tail_of
from snellen.train.features import digest
from snellen.train.job import Job
from snellen.train.observe import RowsOf, predict, rows_of
from snellen.train.source import ActivationSource, PixelSource, Samples, at_once

# Augmented views are shared by all seeds of a recipe: their draws come from this one.
VIEW_SEED = 0
CHUNK = 64
# One cache may take this much, and no more than this share of the free disk; all of a case together HELD.
MOST_BYTES, MOST_SHARE = 4 << 30, 0.25
HELD = 12 << 30
# Half precision has more digits than bfloat16 but a smaller range.
HALF_LIMIT = 6e4


def cuttable(job: Job, stage: Stage) -> bool:
    """Whether this stage asks for a cut: what is recomputed or compiled is run by the model's own forward pass, which does
    not know of one."""
    train = job.recipe.train
    return stage.unfreeze == "last" and train.cache == "auto" and not (train.checkpointing or job.setting.compile)


def pays(job: Job, stage: Stage) -> bool:
    """Whether cached views save work: the stage has more epochs than there are views, and no images are mixed in pixels,
    because mixed ones cannot come from a cache."""
    mixed = job.recipe.augment.mixup or job.recipe.augment.cutmix
    return cuttable(job, stage) and stage.epochs > view_count(job) and not mixed


def cut(job: Job, stage: Stage) -> Tail | None:
    """The end of the model that this stage trains, where its beginning is frozen and can be cut off exactly."""
    if not cuttable(job, stage):
        return None
    size = job.recipe.data.eval_size or job.recipe.data.size
    trial = next(job.validation.take(np.arange(1)).plain(size, *job.normal))
    return tail_of(job.model, stage.unfreeze, job.setting.place(trial))


def view_count(job: Job) -> int:
    """Views of an image that are cached; one says all where nothing is augmented."""
    return job.recipe.train.views if job.recipe.augment.parts or job.recipe.augment.aimed else 1


def views_of(job: Job) -> Iterator[Iterator[Tensor]]:
    """Network input of every sample of the pool, view by view, batch by batch. Several views are augmented; one alone shows
    each image as evaluation sees it, for it would show the same crop of it in every epoch."""
    views = view_count(job)
    if views == 1:
        yield job.pool.plain(_viewed_at(job), *job.normal)
        return
    source = PixelSource(job.pool, job.augmenter, VIEW_SEED)
    step = at_once(job.recipe.data.size)
    chunks = np.split(np.arange(len(job.pool)), range(step, len(job.pool), step))
    for view in range(views):
        yield (source.batch(chosen, view) for chosen in chunks)


def view_source(job: Job, stage: Stage, tail: Tail) -> ActivationSource | None:
    """Half-precision activations of the views of every sample of the pool; None where they would not pay or not fit."""
    if not pays(job, stage):
        return None
    first = _beginning(job, tail, next(next(views_of(replace(job, pool=job.pool.take(np.arange(1)))))))
    shape = (view_count(job), len(job.pool), *first.shape[1:])
    named = job.recipe.augment.model_dump(mode="json", include={"parts", "aimed"}) if shape[0] > 1 else "plain"
    name = _name(job, tail, job.pool, size=_viewed_at(job), augment=named, views=shape[0])
    # A network whose activations leave the range of half precision is run whole.
    if not _room(_place(job.cache, name), shape, np.float16) or not bool((first.abs() < HALF_LIMIT / 2).all()):
        return None
    chunks = (
        _beginning(job, tail, images).clamp(-HALF_LIMIT, HALF_LIMIT).half().numpy()
        for view in views_of(job)
        for images in view
    )
    places = {sample: place for place, sample in enumerate(job.pool.ids)}
    found = _stored(_place(job.cache, name), shape, np.float16, chunks)
    return ActivationSource(found, np.asarray([places[sample] for sample in job.training.ids]))


def _viewed_at(job: Job) -> int:
    """Side of the views in pixels."""
    data = job.recipe.data
    return (data.eval_size or data.size) if view_count(job) == 1 else data.size


def tail_rows(job: Job, tail: Tail) -> RowsOf:
    """Rows as `predict` gives them, with the frozen beginning computed once for all epochs and runs."""

    def rows(samples: Samples) -> Any:
        found = _plain(job, tail, samples)
        if found is None:
            return predict(job, samples)
        job.model.eval()
        with torch.no_grad(), job.setting.autocast():
            parts = np.split(np.asarray(found), range(CHUNK, len(found), CHUNK))
            outputs = [tail(job.setting.place(torch.from_numpy(np.array(part)))) for part in parts]
        return rows_of(job, samples, outputs)

    return rows


def _plain(job: Job, tail: Tail, samples: Samples) -> np.ndarray | None:
    """Activations without augmentation at the evaluation size, in full precision: rows must not depend on a cache."""
    size = job.recipe.data.eval_size or job.recipe.data.size
    first = _beginning(job, tail, next(samples.take(np.arange(1)).plain(size, *job.normal)))
    shape = (len(samples), *first.shape[1:])
    # No view of them: one view of images as they are is another array of the same numbers.
    path = _place(job.cache, _name(job, tail, samples, size=size, augment="plain", views=0))
    if not _room(path, shape, np.float32):
        return None
    parts = (_beginning(job, tail, images).numpy() for images in samples.plain(size, *job.normal))
    return _stored(path, shape, np.float32, parts)


def _beginning(job: Job, tail: Tail, images: Tensor) -> Tensor:
    job.model.eval()
    with job.setting.autocast():
        return tail.beginning(job.setting.place(images)).float().cpu()


def _name(job: Job, tail: Tail, samples: Samples, *, size: int, augment: Any, views: int) -> str:
    return digest(
        {
            "tail": tail.digest(), "model": job.recipe.model.name, "ids": samples.ids, "targets": samples.targets.tolist(),
            "stored": job.training.pixels.size, "size": size, "augment": augment, "views": views,
            "precision": job.setting.precision, "layout": job.setting.layout, "threads": torch.get_num_threads(),
        }
    )  # fmt: skip


def _place(cache: Path, name: str) -> Path:
    return cache / "activations" / f"{name}.npy"


def _room(path: Path, shape: tuple[int, ...], dtype: Any) -> bool:
    if path.is_file():  # It takes no more room, and all seeds and arms of a recipe must read alike.
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return bool(size <= min(MOST_BYTES, MOST_SHARE * shutil.disk_usage(path.parent).free))


def _stored(path: Path, shape: tuple[int, ...], dtype: Any, chunks: Iterator[np.ndarray]) -> np.ndarray:
    if not path.is_file():
        store.write_array(path, shape, dtype, chunks)
        _bound(path.parent, keep=path)
    array: np.ndarray = np.load(path, mmap_mode="r")  # From here on it is held, whoever removes its name.
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)  # Unlike touch it makes no empty file where another process has removed this one.
    return array


def _bound(folder: Path, *, keep: Path) -> None:
    """Remove the least recently used arrays beyond HELD."""
    known = []
    for path in folder.glob("*.npy"):
        with contextlib.suppress(FileNotFoundError):  # Another process may be at it too.
            known.append((path != keep, -path.stat().st_mtime, path.stat().st_size, path))
    held = 0
    for other, _, size, path in sorted(known):
        held += size
        if other and held > HELD:
            path.unlink(missing_ok=True)
