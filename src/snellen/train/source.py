"""Where batches come from: stored pixels, augmented as they are read, or cached features of a frozen trunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.train.augment import Augmenter, plain
from snellen.train.draws import keys


@dataclass(frozen=True, slots=True)
class Samples:
    """Some samples of a catalog, ready to be read: ids, keys [n], targets [n], rows [n] in the pixel store."""

    ids: tuple[str, ...]
    keys: np.ndarray
    targets: np.ndarray
    rows: np.ndarray
    pixels: Pixels

    @classmethod
    def of(cls, catalog: Catalog, targets: np.ndarray, pixels: Pixels) -> Samples:
        """The catalog's rows in order."""
        return cls(catalog.ids, keys(catalog.ids), targets, pixels.rows_of(catalog), pixels)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, chosen: np.ndarray) -> Samples:
        """A part, by position."""
        ids = tuple(self.ids[i] for i in chosen)
        return Samples(ids, self.keys[chosen], self.targets[chosen], self.rows[chosen], self.pixels)

    def plain(self, size: int, mean: tuple[float, ...], std: tuple[float, ...], *, batch: int = 64) -> Iterator[Tensor]:
        """Network input without augmentation, batch by batch, in order."""
        for start in range(0, len(self), batch):
            yield plain(self.pixels.gather(self.rows[start : start + batch]), size, mean, std)


@dataclass(frozen=True, slots=True)
class PixelSource:
    """Augmented images of the samples at some positions in some epoch; `sizes`: image side by epoch, where it changes."""

    samples: Samples
    augmenter: Augmenter
    seed: int
    sizes: tuple[int, ...] = ()

    def batch(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """[n, 3, size, size] float32."""
        size = self.sizes[epoch] if self.sizes else self.augmenter.size
        augmenter = self.augmenter if size == self.augmenter.size else replace(self.augmenter, size=size)
        pixels = self.samples.pixels.gather(self.samples.rows[chosen])
        return augmenter(
            pixels, self.samples.targets[chosen], seed=self.seed, epoch=epoch, keys=self.samples.keys[chosen]
        )


@dataclass(frozen=True, slots=True)
class ActivationSource:
    """Cached activations [views, m, ...] at a frozen boundary: epoch e reads view e mod views, sample i its row places[i]."""

    activations: np.ndarray
    places: np.ndarray

    def batch(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """[n, ...] float32."""
        view = self.activations[epoch % len(self.activations)]
        return torch.from_numpy(view[self.places[chosen]]).float()


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """Cached features [views, n, d]: epoch e reads view e mod views."""

    features: np.ndarray

    def batch(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """[n, d] float32."""
        return torch.from_numpy(np.asarray(self.features[epoch % len(self.features)][chosen], dtype=np.float32))
