"""Markers: a spot, patch or border that stands at one place of many images of one class and of hardly any others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label as connected
from scipy.stats import hypergeom

from snellen.data.pixels import Pixels

# Cells along a side; a marker is found where it covers at least one of them wholly.
GRID = 32
# So many images are looked at: of every class its share, but enough to see a marker on an eighth of them.
LOOKED, FEWEST, MOST = 4_000, 24, 64
# Distances of cells (mean red, green, blue and contrast, grey levels): the same patch, and what is ordinary around it.
SAME, AROUND = 7.0, 28.0
# A patch differs from what lies so many cells off by so many grey levels, in half of the directions.
OFF, APART = 3, 25.0
# Limits: images that share the patch; share of it that its class must have; share of the others' cells that may have its
# colour (more is a background); odds of finding it by chance, over all cells and classes.
LEAST, SHARE, PURE, COMMON, CHANCE = 6, 0.05, 0.8, 0.02, 1e-4
AT_ONCE = 256
NONE = -1
_WAYS = [(a, b) for a in (-OFF, 0, OFF) for b in (-OFF, 0, OFF) if a or b]


@dataclass(frozen=True, slots=True)
class Marker:
    """`cells` [GRID, GRID] bool: where it lies; `look` [GRID, GRID, 4]: how its cells look."""

    target: str
    cells: np.ndarray
    look: np.ndarray

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x0, y0, x1, y1 as shares of the image's width and height."""
        down, across = np.nonzero(self.cells)
        x, y = across.min() / GRID, down.min() / GRID
        return float(x), float(y), float((across.max() + 1) / GRID), float((down.max() + 1) / GRID)

    def on(self, cells: np.ndarray) -> np.ndarray:
        """[n] bool: which of some images (`cells_of`) carry it."""
        apart = np.linalg.norm(cells[:, self.cells] - self.look[self.cells], axis=2)
        return np.asarray(np.median(apart, axis=1) < 1.5 * SAME)


def find(pixels: Pixels, rows: np.ndarray, labels: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> list[Marker]:
    """Markers of the images in these rows of the pixel store; labels [n] (text), groups [n] (copies of one image share one).

    A patch is a marker where it is nearly the same in several images of one class at one place, rare at this place in the other
    classes, rare in colour elsewhere, and sets itself off from what surrounds it. Cost: at most 4,000 images are looked at, so a
    marker on less than about an eighth of a large class is not seen.
    """
    chosen = _chosen(labels, groups, seed)
    names = labels[chosen]
    if len(np.unique(names)) < 2:
        return []
    cells = np.concatenate(
        [cells_of(pixels.gather(rows[part])) for part in np.split(chosen, range(AT_ONCE, len(chosen), AT_ONCE))]
    )
    sizes = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    found = [
        _marker(cells, names == name, str(name), sizes[name] / len(labels), len(sizes)) for name in np.unique(names)
    ]
    return [marker for marker in found if marker is not None]


def carriers(pixels: Pixels, rows: np.ndarray, markers: list[Marker]) -> np.ndarray:
    """Number of the marker that an image of these rows carries, [n]; -1 for none. Without markers nothing is read."""
    result = np.full(len(rows), NONE, dtype=np.int64)
    for start in range(0, len(rows) if markers else 0, AT_ONCE):
        cells = cells_of(pixels.gather(rows[start : start + AT_ONCE]))
        for number, marker in enumerate(markers):
            result[start : start + AT_ONCE][marker.on(cells)] = number
    return result


def cells_of(images: np.ndarray) -> np.ndarray:
    """Images [n, side, side, 3] uint8 as cells [n, GRID, GRID, 4] float32: mean red, green and blue, and the standard deviation
    of grey inside."""
    side = images.shape[1]
    edges = np.linspace(0, side, GRID + 1).astype(np.int64)
    lengths = np.maximum(np.diff(edges), 1).astype(np.float32)
    area = lengths[:, None] * lengths

    def sums(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.add.reduceat(np.add.reduceat(values, edges[:-1], axis=1), edges[:-1], axis=2))

    colours = images.astype(np.float32)
    grey = colours.mean(axis=3)
    means = sums(colours) / area[..., None]
    spread = np.sqrt(np.maximum(sums(grey**2) / area - means.mean(axis=3) ** 2, 0))
    return np.concatenate([means, spread[..., None]], axis=3)


def _chosen(labels: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """One image of every group, so many of each class as the limits allow."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.sort(np.unique(groups[order], return_index=True)[1])]
    order = order[labels[order] != ""]
    names = np.unique(labels[order])
    each = int(np.clip(LOOKED // max(len(names), 1), FEWEST, MOST))
    return np.concatenate([np.zeros(0, dtype=np.int64), *(order[labels[order] == name][:each] for name in names)])


def _marker(cells: np.ndarray, inside: np.ndarray, target: str, share: float, classes: int) -> Marker | None:
    own, others = cells[inside].reshape(inside.sum(), -1, 4), cells[~inside].reshape((~inside).sum(), -1, 4)
    if len(own) < LEAST:
        return None
    common, count, wide = _commonest(own)
    apart = others - common
    strangers = np.count_nonzero(np.einsum("npc,npc->np", apart, apart) < (1.5 * SAME) ** 2, axis=0)
    rate, elsewhere = count / len(own) * share, strangers / max(len(others), 1) * (1 - share)
    likely = (count >= max(LEAST, SHARE * len(own))) & (count >= 0.6 * wide) & (rate >= PURE * (rate + elsewhere))
    chance = hypergeom.sf(count - 1, len(cells), len(own), np.minimum(count + strangers, len(cells)))
    likely &= chance * GRID * GRID * classes < CHANCE
    for place in np.flatnonzero(likely)[np.argsort(-count[likely], kind="stable")][:64]:
        members = np.linalg.norm(own[:, place] - common[place], axis=1) < SAME
        colour = np.linalg.norm(others[..., :3] - common[place, :3], axis=2) < SAME
        if colour.mean() < COMMON and _sets_off(cells[inside][members], place):
            return _outlined(cells[inside][members], place, target)
    return None


def _commonest(own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of every cell the look [p, 4] that most images nearly share, how many do, and how many are in its wider surroundings."""
    looks = own.transpose(1, 0, 2)
    squares = (looks**2).sum(axis=2)
    apart = squares[:, :, None] + squares[:, None, :] - 2 * looks @ looks.transpose(0, 2, 1)
    near = np.count_nonzero(apart < SAME**2, axis=2)
    middle = near.argmax(axis=1)
    places = np.arange(len(looks))
    return looks[places, middle], near[places, middle], np.count_nonzero(apart[places, middle] < AROUND**2, axis=1)


def _sets_off(cells: np.ndarray, place: int) -> bool:
    """Whether the cell differs from what lies around it in most of the images; a plain background does not."""
    down, across = divmod(int(place), GRID)
    ways = [(down + a, across + b) for a, b in _WAYS if 0 <= down + a < GRID and 0 <= across + b < GRID]
    here = cells[:, down, across, :3]
    apart = np.stack([np.linalg.norm(cells[:, y, x, :3] - here, axis=1) > APART for y, x in ways])
    return bool((apart.mean(axis=0) >= 0.5).mean() >= 0.75)


def _outlined(cells: np.ndarray, place: int, target: str) -> Marker:
    """All cells around the place that are as alike in these images as it is itself."""
    look = np.median(cells, axis=0)
    alike = np.median(np.linalg.norm(cells - look, axis=3), axis=0) < SAME
    down, across = divmod(int(place), GRID)
    alike[down, across] = True
    regions = connected(alike)[0]
    return Marker(target, regions == regions[down, across], look)
