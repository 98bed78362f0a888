"""Patches of wanted images, made worse on the fly: what tasks from image to image train on.

What is cut and what happens to it is drawn from the seed, the epoch and the sample's key: it does not depend on the neighbours
in the batch, and there is nothing to resume. At evaluation an image has one fixed degradation, drawn from its key alone, so
that all recipes and seeds are asked the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from snellen.catalog import Catalog
from snellen.data.native import Native, open_native
from snellen.data.pixels import Pixels
from snellen.parts.models._restorer import Enlarge
from snellen.recipe import Recipe
from snellen.shelf import FILTERS
from snellen.tasks._degrade import Degrader
from snellen.tasks._patches import DRAWS, tensor, whole_multiple
from snellen.tasks._patches import patches as cut
from snellen.train.augment import Augmenter
from snellen.train.draws import keys, seed_of, uniforms
from snellen.train.source import Samples
from snellen.values import SnellenError

# Evaluation has a seed of its own: the question does not change with the recipe's.
ASKED = seed_of(0, 7)
# An image is evaluated whole up to this side, of a larger one its middle.
MOST_SIDE = 1024
# What evaluation asks is worked out once, as long as it stays below so many bytes.
MOST_KEPT = 256 << 20

Filter = Callable[[np.ndarray], np.ndarray]


def patches(
    task: Any, catalog: Catalog, classes: tuple[str, ...], pixels: Pixels, *, recipe: Recipe, cache: Path | None
) -> Patches:
    """The truth of a catalog's samples: their images at their own size, and how they are made worse.

    Images at their own size are kept beside the pixel store, which all cases share, else in `cache`. Raises SnellenError where
    there is neither.
    """
    home = pixels.cache or cache
    if home is None:
        raise SnellenError("images at their own size are kept in a cache, and neither the pixels nor the run have one")
    degrade = recipe.degrade
    given = FILTERS.build(degrade.baseline.name, degrade.baseline.settings) if degrade.baseline is not None else None
    return Patches(
        open_native(catalog, cache=home), tuple(catalog.table.column("content").to_pylist()), keys(catalog.ids),
        Degrader.of(degrade.parts, scale=degrade.scale), degrade.scale, degrade.patches, given,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Patches:
    """Some samples: `contents` and `keys` [n]; `each`: patches of every image in a step; `filter`: the simple method, where
    nothing is enlarged."""

    native: Native
    contents: tuple[str, ...]
    keys: np.ndarray
    degrader: Degrader
    scale: int
    each: int
    filter: Filter | None
    kept: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False, compare=False)

    def take(self, chosen: np.ndarray) -> Patches:
        """That of a part of the samples, by position."""
        return replace(self, contents=tuple(self.contents[place] for place in chosen), keys=self.keys[chosen])

    def batch(
        self, samples: Samples, chosen: np.ndarray, augmenter: Augmenter, *, seed: int, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Given and wanted patches, [n·each, 3, size, size] and [n·each, 3, scale·size, scale·size], of one image after the other."""
        count = DRAWS + self.degrader.draws
        u = uniforms(seed_of(seed, 8), epoch, self.keys[chosen], self.each * count).reshape(-1, count)
        images = [self.native.image(self.contents[place]) for place in chosen for _ in range(self.each)]
        wanted = cut(images, u[:, :DRAWS], side=augmenter.size * self.scale)
        return self.degrader(wanted, u[:, DRAWS:]), wanted

    def plain(self, samples: Samples, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Iterator[Tensor]:
        """The given image of every sample, [1, 3, h, w], whole (its middle where it is very large)."""
        for place in range(len(self.contents)):
            yield self.asked(place)[0]

    def wanted(self, places: np.ndarray, size: int) -> Tensor:
        """The wanted image and what the simple method makes of the given one, [n, 2, 3, scale·h, scale·w]; images of one size."""
        return torch.cat([self.asked(int(place))[1] for place in places])

    def asked(self, place: int) -> tuple[Tensor, Tensor]:
        """What evaluation gives, [1, 3, h, w], and wants, [1, 2, 3, scale·h, scale·w]."""
        key = int(self.keys[place])
        if key in self.kept:
            return self.kept[key]
        wanted = tensor(_middle(self.native.image(self.contents[place]), self.scale)[None])
        given = self.degrader(wanted, uniforms(ASKED, 0, self.keys[place : place + 1], max(self.degrader.draws, 1)))
        found = given, torch.stack([wanted, self._simple(given)], dim=1)
        if sum(one.nbytes + other.nbytes for one, other in self.kept.values()) < MOST_KEPT:
            self.kept[key] = found
        return found

    def _simple(self, given: Tensor) -> Tensor:
        """What the simple method makes of it: the filter, or bicubic enlargement (nothing, where nothing is enlarged)."""
        if self.scale > 1:
            enlarged: Tensor = Enlarge(self.scale)(given)
            return enlarged.clamp_(0, 1)
        if self.filter is None:
            return given
        return torch.from_numpy(self.filter(given[0].permute(1, 2, 0).numpy())).permute(2, 0, 1)[None]


def _middle(image: np.ndarray, multiple: int) -> np.ndarray:
    top, left = (max(0, (length - MOST_SIDE) // 2) for length in image.shape[:2])
    return whole_multiple(image[top : top + MOST_SIDE, left : left + MOST_SIDE], multiple)
