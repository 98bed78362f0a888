"""Where batches come from: stored pixels, augmented as they are read, or cached features of a frozen trunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from snellen import store
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.train.augment import Augmenter, plain
from snellen.train.draws import keys

# Images of a forward pass at most and at least, and pixels of an image up to which it is the most.
MOST, LEAST, PIXELS = 64, 8, 128**2


def at_once(size: int) -> int:
    """Images of `size` pixels per side that go through a network together where nothing is learnt. On a processor more of
    them make nothing faster (EfficientNet-Lite0 on 2 cores: 64 at once took 1.03 times as long as 16 at 256 px, 0.98 to 1.10 over seven
    rounds), and 64 of 256 px would hold more than a gigabyte between two layers."""
    return MOST if torch.cuda.is_available() else max(LEAST, min(MOST, MOST * PIXELS // size**2))


class Truth(Protocol):
    """What is wanted of samples beyond a label: a picture that belongs to each image. A reader (train/readers) makes it.

    It decides how images and what is wanted of them become tensors, so that both can follow the same geometry.
    """

    def take(self, chosen: np.ndarray) -> Truth:
        """That of a part of the samples, by position."""

    def batch(
        self, samples: Samples, chosen: np.ndarray, augmenter: Augmenter, *, seed: int, epoch: int
    ) -> tuple[Tensor, Tensor]:
        """Network input and target of some samples for training, augmented; the input has the augmenter's size."""

    def plain(self, samples: Samples, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Iterator[Tensor]:
        """Network input of all samples for evaluation, batch by batch, in order."""

    def wanted(self, places: np.ndarray, size: int) -> Tensor:
        """Targets of some samples at evaluation."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Some samples of a catalog, ready to be read: ids, keys [n], targets [n], rows [n] in the pixel store; `truth` where
    more is wanted of them than the label."""

    ids: tuple[str, ...]
    keys: np.ndarray
    targets: np.ndarray
    rows: np.ndarray
    pixels: Pixels
    truth: Truth | None = None

    @classmethod
    def of(cls, catalog: Catalog, targets: np.ndarray, pixels: Pixels, truth: Truth | None = None) -> Samples:
        """The catalog's rows in order."""
        return cls(catalog.ids, keys(catalog.ids), targets, pixels.rows_of(catalog), pixels, truth)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, chosen: np.ndarray) -> Samples:
        """A part, by position."""
        ids = tuple(self.ids[i] for i in chosen)
        truth = self.truth.take(chosen) if self.truth is not None else None
        return Samples(ids, self.keys[chosen], self.targets[chosen], self.rows[chosen], self.pixels, truth)

    def plain(self, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> Iterator[Tensor]:
        """Network input without augmentation, batch by batch, in order."""
        if self.truth is not None:
            yield from self.truth.plain(self, size, mean, std)
            return
        batch = at_once(size)
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
        pixels = self.samples.pixels.gather(self.samples.rows[chosen])
        return self._augmenter(epoch)(
            pixels, self.samples.targets[chosen], seed=self.seed, epoch=epoch, keys=self.samples.keys[chosen]
        )

    def pair(self, chosen: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        """Network input and what is wanted of it: the labels [n], or what the samples' truth gives."""
        samples = self.samples
        if samples.truth is None:
            return self.batch(chosen, epoch), torch.from_numpy(samples.targets[chosen])
        return samples.truth.batch(samples, chosen, self._augmenter(epoch), seed=self.seed, epoch=epoch)

    def _augmenter(self, epoch: int) -> Augmenter:
        size = self.sizes[epoch] if self.sizes else self.augmenter.size
        return self.augmenter if size == self.augmenter.size else replace(self.augmenter, size=size)


@dataclass(frozen=True, slots=True)
class ActivationSource:
    """Cached activations [views, m, ...] at a frozen boundary: epoch e reads view e mod views, sample i its row places[i]."""

    activations: np.ndarray
    places: np.ndarray

    def batch(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """[n, ...] float32."""
        view = self.activations[epoch % len(self.activations)]
        return torch.from_numpy(store.rows(view, self.places[chosen])).float()


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """Cached features [views, n, d]: epoch e reads view e mod views."""

    features: np.ndarray

    def batch(self, chosen: np.ndarray, epoch: int) -> Tensor:
        """[n, d] float32."""
        return torch.from_numpy(np.asarray(self.features[epoch % len(self.features)][chosen], dtype=np.float32))
