"""Masks: a class number for every pixel, stored once at the images' size, that follows each image's warp."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from snellen import store
from snellen.catalog import Catalog
from snellen.data.content import cores
from snellen.data.masks import Convention, read_mask
from snellen.data.pixels import Pixels
from snellen.recipe import Recipe
from snellen.train.augment import Augmenter, plain
from snellen.train.draws import uniforms
from snellen.train.features import digest
from snellen.train.source import Samples
from snellen.train.targets import IGNORE, warp_masks
from snellen.values import SnellenError

WINDOW = 64
# Part of the store's name: another rule of reading makes another store.
VERSION = 1
# Images of an evaluation batch: maps of all pixels take a hundred times what a vector does.
BATCH = 8
# Of the draws of an epoch, those that aim crops lie behind all that augmentation may ask for.
AIMING = 1_000_003


@dataclass(frozen=True, slots=True)
class Masks:
    """`array` [m, s, s] uint8, memory-mapped: class numbers, 255 where nobody labelled; sample i is row `places[i]`. `aimed`:
    whether crops go where a sample's label (its rarest class) is."""

    array: np.ndarray
    places: np.ndarray
    aimed: bool

    def take(self, chosen: np.ndarray) -> Masks:
        """Those of a part of the samples."""
        return Masks(self.array, self.places[chosen], self.aimed)

    def batch(
        self, samples: Samples, chosen: np.ndarray, augmenter: Augmenter, *, seed: int, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Images [n, 3, size, size] and masks [n, size, size] under one geometry."""
        labels, keys = samples.targets[chosen], samples.keys[chosen]
        masks = np.asarray(store.rows(self.array, self.places[chosen]))
        with torch.autocast("cpu", enabled=False):
            drawn = augmenter.draw(labels, seed=seed, epoch=epoch, keys=keys)
            if self.aimed:
                aim(drawn.geometry, masks, labels, uniforms(seed, epoch + AIMING, keys, 1)[:, 0])
            images = augmenter.apply(samples.pixels.gather(samples.rows[chosen]), drawn)
            return images, warp_masks(torch.from_numpy(masks), drawn.geometry, augmenter.size)

    def plain(self, samples: Samples, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Iterator[Tensor]:
        """Images as they are, in order."""
        for start in range(0, len(samples), BATCH):
            yield plain(samples.pixels.gather(samples.rows[start : start + BATCH]), size, mean, std)

    def wanted(self, places: np.ndarray, size: int) -> Tensor:
        """Masks [b, size, size] of some samples."""
        masks = torch.from_numpy(np.asarray(store.rows(self.array, self.places[places])))
        return masks if masks.shape[-1] == size else warp_masks(masks, torch.eye(3).repeat(len(masks), 1, 1), size)


def aim(geometry: Tensor, masks: np.ndarray, labels: np.ndarray, draws: np.ndarray) -> None:
    """Move each crop, in place, so that it holds a pixel of the sample's label, drawn by `draws` [n] in 0..1.

    A crop is as large and turned as it was; one that sees the whole image, and one of an image without such a pixel, stays."""
    side = masks.shape[-1]
    for row, (mask, label, draw) in enumerate(zip(masks, labels, draws, strict=True)):
        room = 1 - geometry[row, :2, :2].abs().sum(dim=1)
        found = np.flatnonzero(mask == label)
        if not len(found) or not bool((room > 0).any()):
            continue
        y, x = divmod(int(found[min(int(draw * len(found)), len(found) - 1)]), side)
        centre = (2 * torch.tensor([x, y]) + 1) / side - 1
        geometry[row, :2, 2] = torch.minimum(torch.maximum(centre, -room.clamp(min=0)), room.clamp(min=0))


def masks(
    task: Any, catalog: Catalog, classes: tuple[str, ...], pixels: Pixels, *, recipe: Recipe, cache: Path | None = None
) -> Masks:
    """The masks of a catalog's samples (columns `mask`, `root`) at the size of the stored images, kept under `cache`.

    They are read by the rules of data/masks; the task says which class an id is. Raises SnellenError for a mask that cannot
    be read (the task's `fit` leaves such samples out before) and for more than 255 classes.
    """
    if len(classes) > IGNORE:
        raise SnellenError(f"{len(classes)} classes are more than the {IGNORE} that a stored mask can tell apart")
    pairs = zip(*(catalog.column(name).tolist() for name in ("root", "mask")), strict=True)
    files = [Path(root) / name for root, name in pairs]
    numbers: dict[int, int] = task.numbers(catalog, classes)
    shape, parts = (
        (len(files), pixels.size, pixels.size),
        _read(files, Convention.of(catalog), _table(numbers), pixels.size),
    )
    stored = np.stack(list(parts)) if files and cache is None else np.zeros(shape, dtype=np.uint8)
    if files and cache is not None:
        about = {
            "version": VERSION,
            "numbers": sorted(numbers.items()),
            "size": pixels.size,
            "files": list(map(_stamp, files)),
        }
        path = cache / "masks" / f"{digest(about)}.npy"
        if not path.is_file():
            store.write_array(path, shape, np.uint8, parts)
        stored = np.load(path, mmap_mode="r")
    return Masks(stored, np.arange(len(files)), recipe.train.sampling == "balanced")


def _stamp(file: Path) -> tuple[str, int, int]:
    info = file.stat()
    return str(file), info.st_size, info.st_mtime_ns


def _table(numbers: dict[int, int]) -> np.ndarray:
    """Class by id, 255 for an id that stands for none; the last entry is for all larger ids."""
    table = np.full(max(numbers, default=0) + 2, IGNORE, dtype=np.uint8)
    for number, place in numbers.items():
        table[number] = place
    return table


def _read(files: list[Path], convention: Convention, table: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Class numbers [size, size] in order, by threads; a bounded window, as for pixels."""

    def one(file: Path) -> np.ndarray:
        mask = read_mask(file, convention)
        if mask.ids is None:
            raise SnellenError(f"the mask {file} cannot be used: {mask.problem}; see the audit's list")
        numbers = table[np.minimum(mask.ids, len(table) - 1)]
        return np.asarray(Image.fromarray(numbers).resize((size, size), Image.Resampling.NEAREST))

    waiting: deque[Future[np.ndarray]] = deque()
    with ThreadPoolExecutor(cores()) as pool:
        for file in files:
            waiting.append(pool.submit(one, file))
            if len(waiting) == WINDOW:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
