"""What is drawn on the images of a catalog, in pixels of the squashed images that are looked at; folds, and boxes of the usual sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from snellen.annotations import Objects
from snellen.catalog import OK, Catalog, MissingSignal
from snellen.data.boxes import ALONE
from snellen.data.pixels import Pixels

SIZES = 5
MOST_ANCHORS = 1400
MOST_SIDES = 20_000
# Anchors of a size are so many of its sides apart.
APART = 0.4
# Boxes of one image that are looked at; of more an even part.
MOST_ON_IMAGE = 400


@dataclass(frozen=True, slots=True)
class Drawn:
    """The images that can be looked at, and their objects."""

    rows: np.ndarray  # [images] rows of the catalog
    stored: np.ndarray  # [images] rows of the pixel store
    scale: np.ndarray  # [images, 4] pixels looked at per pixel of the image
    members: tuple[np.ndarray, ...]  # for every image the places of its usable boxes among the catalog's objects
    others: tuple[np.ndarray, ...]  # and of the objects that cannot be used: zero area, outside the image
    crowded: np.ndarray  # [images] bool: more boxes than MOST_ON_IMAGE, of which the members are an even part
    boxes: np.ndarray  # [m, 4] of all objects, clipped to the image
    codes: np.ndarray  # [m] class
    size: int  # side of the images in pixels
    names: tuple[str, ...]

    @classmethod
    def of(cls, catalog: Catalog, pixels: Pixels, size: int, *, most: int) -> Drawn:
        """Of more than `most` usable images an even part. Raises MissingSignal without `objects`, `width` and `height`."""
        objects = Objects.of(catalog)
        rows = even(np.flatnonzero(catalog.column("verdict").astype(str) == OK), most)
        scale = np.tile(size / _sides(catalog), 2)
        boxes = np.clip(objects.box * scale[objects.row], 0, size)
        good = objects.usable & (np.nan_to_num(boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)
        names, codes = np.unique(objects.label, return_inverse=True)
        starts = np.searchsorted(objects.row, np.arange(len(catalog) + 1))
        places = [np.arange(start, end) for start, end in zip(starts[rows], starts[rows + 1], strict=True)]
        usable = [these[good[these]] for these in places]
        others = tuple(these[~good[these] & ~objects.crowd[these]] for these in places)
        return cls(
            rows=rows, stored=pixels.rows_of(catalog.take(rows)), scale=scale[rows],
            members=tuple(even(these, MOST_ON_IMAGE) for these in usable), others=others,
            crowded=np.asarray([len(these) > MOST_ON_IMAGE for these in usable], dtype=bool), boxes=boxes,
            codes=codes.reshape(-1), size=size, names=tuple(names.tolist()),
        )  # fmt: skip

    def on(self, image: int) -> Tensor:
        """Usable boxes [m, 4] float32 of one image."""
        return torch.as_tensor(self.boxes[self.members[image]], dtype=torch.float32)

    def labels(self, image: int) -> Tensor:
        """Their classes [m] int64."""
        return torch.as_tensor(self.codes[self.members[image]], dtype=torch.int64)

    @property
    def count(self) -> int:
        """Number of usable boxes."""
        return sum(len(places) for places in self.members)


def even(items: np.ndarray, most: int) -> np.ndarray:
    """All of the items [n], or `most` of them, evenly spread."""
    return items if len(items) <= most else items[np.linspace(0, len(items) - 1, most).astype(np.int64)]


def _sides(catalog: Catalog) -> np.ndarray:
    found = []
    for name in ("width", "height"):
        if not catalog.has(name):
            raise MissingSignal(name)
        found.append([np.nan if side is None else float(side) for side in catalog.table.column(name).to_pylist()])
    return np.asarray(found, dtype=np.float64).T.reshape(-1, 2)


def folds_of(catalog: Catalog, rows: np.ndarray, *, folds: int, seed: int) -> np.ndarray:
    """Fold of every image [n]; duplicates, near or exact, share one."""
    near = catalog.column("near")[rows] if catalog.has("near") else np.full(len(rows), ALONE)
    content = np.unique(catalog.column("content").astype(str)[rows], return_inverse=True)[1].reshape(-1)
    group = np.where(near >= 0, near, near.max(initial=0) + 1 + content)
    kinds, member = np.unique(group, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(kinds))
    return np.asarray(order[member.reshape(-1)] % folds)


def anchors_of(drawn: Drawn, *, size: int, seed: int) -> Tensor:
    """Boxes [a, 4] of the usual sizes all over an image, denser the smaller they are."""
    boxes = drawn.boxes[np.concatenate(drawn.members)]
    sides = np.log(boxes[:, 2:] - boxes[:, :2])
    groups = min(SIZES, len(np.unique(sides, axis=0)))
    found = KMeans(groups, n_init=2, random_state=seed).fit(sides[:MOST_SIDES])
    usual = np.exp(found.cluster_centers_)
    step = usual * APART
    crowd = (size / step).prod(axis=1).sum()
    step = step * max(1.0, float(crowd / MOST_ANCHORS) ** 0.5)
    laid = [_laid(one, gap, size) for one, gap in zip(usual, step, strict=True)]
    return torch.as_tensor(np.concatenate(laid), dtype=torch.float32)


def _laid(sides: np.ndarray, gap: np.ndarray, size: int) -> np.ndarray:
    along = [np.linspace(0, size, max(2, int(np.ceil(size / one)) + 1)) for one in gap]
    middle = np.stack(np.meshgrid(*along), axis=-1).reshape(-1, 2)
    return np.asarray(np.clip(np.concatenate([middle - sides / 2, middle + sides / 2], axis=1), 0, size))
