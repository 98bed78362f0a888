"""Compare the mask that is given with what a held-out segmenter sees: which change of the mask would make them agree?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from snellen.data.mask_shape import border, correlation, signed_distance

# Levels around the outline that are tried, cells of the grid, and their step.
LEVELS, LEVEL_STEP = 20.0, 0.5
# A piece that is seen must lie this far from the given mask, in cells: nearer ones belong to its outline.
APART = 4
# Side to which maps are brought to be searched for, number of directions, and of candidates.
SEARCHED, DIRECTIONS, CANDIDATES = 24, 48, 4
NO_BOX = (np.nan,) * 4


@dataclass(frozen=True, slots=True)
class Comparison:
    """All in cells and cell areas of the grid. `iou`: of the given foreground and the one that is seen.

    offset, offset_iou: the distance by which the given mask would have to grow (negative: shrink) to agree best, and the IoU it
    then has. shift (x, y), shift_iou: likewise for a displacement. extra, missed: what is seen outside of the mask, and
    given but not seen, by the area of both together. seen: area of what is seen by the whole grid. object_area, object_sure,
    object_iou, object_edge, object_box: the largest piece that is seen apart from the mask: area by the whole grid, mean
    probability, the IoU with it added to the mask, strength of the image's edges along its outline by that along the
    mask's, x0, y0, x1, y1 by the side.
    """

    iou: float = np.nan
    offset: float = np.nan
    offset_iou: float = np.nan
    shift: tuple[float, float] = (np.nan, np.nan)
    shift_iou: float = np.nan
    extra: float = np.nan
    missed: float = np.nan
    seen: float = np.nan
    object_area: float = np.nan
    object_sure: float = np.nan
    object_iou: float = np.nan
    object_edge: float = np.nan
    object_box: tuple[float, float, float, float] = NO_BOX


def compare(seen: np.ndarray, given: np.ndarray, known: np.ndarray, edges: np.ndarray) -> Comparison:
    """`seen` [g, g] probability of foreground, `given` and `known` [g, g] bool (where the mask says anything), `edges` [g, g]
    strength of the image's edges."""
    both = (seen > 0.5) & known
    mask = given & known
    union = max(float((both | mask).sum()), 1.0)
    found = Comparison(
        iou=overlap(both, mask),
        extra=float((both & ~mask).sum()) / union,
        missed=float((mask & ~both).sum()) / union,
        seen=float(both.mean()),
    )
    found = _with_object(found, np.where(known, seen, 0.0), mask, edges)
    if not mask.any() or mask.all() or not both.any():
        return found
    vote = np.where(known, 2 * seen - 1, 0.0).astype(np.float32)
    offset, offset_iou = _offset(vote, mask, both)
    shift, shift_iou = _shift(vote, mask, both)
    return replace(found, offset=offset, offset_iou=offset_iou, shift=shift, shift_iou=shift_iou)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two bool arrays; 1 where both are empty."""
    union = int((one | other).sum())
    return float((one & other).sum() / union) if union else 1.0


def _offset(vote: np.ndarray, mask: np.ndarray, seen: np.ndarray) -> tuple[float, float]:
    """The level of the distance to the outline within which the votes for foreground are most."""
    distance = signed_distance(mask)
    levels = np.arange(-LEVELS, LEVELS + LEVEL_STEP / 2, LEVEL_STEP)
    places = np.clip(np.searchsorted(levels, distance.reshape(-1)), 0, len(levels))
    within = np.cumsum(np.bincount(places, vote.reshape(-1), minlength=len(levels) + 1))[:-1]
    # Of levels that are equally good the one nearest to the outline as it is.
    order = np.argsort(np.abs(levels), kind="stable")
    level = float(levels[order[int(within[order].argmax())]])
    return level, overlap(distance <= level, seen)


def _shift(vote: np.ndarray, mask: np.ndarray, seen: np.ndarray) -> tuple[tuple[float, float], float]:
    """The displacement of the mask under which the votes for foreground are most."""
    score = correlation(vote, mask.astype(np.float32))
    best = np.unravel_index(int(score.argmax()), score.shape)
    down, right = (int(place) - side // 2 for place, side in zip(best, score.shape, strict=True))
    return (float(right), float(down)), overlap(moved(mask, right, down), seen)


def moved(mask: np.ndarray, right: int, down: int) -> np.ndarray:
    """The mask displaced; what leaves the grid is lost."""
    rows, columns = mask.shape
    result = np.zeros_like(mask)
    to = (slice(max(down, 0), rows + min(down, 0)), slice(max(right, 0), columns + min(right, 0)))
    of = (slice(max(-down, 0), rows + min(-down, 0)), slice(max(-right, 0), columns + min(-right, 0)))
    result[to] = mask[of]
    return result


def _with_object(found: Comparison, seen: np.ndarray, mask: np.ndarray, edges: np.ndarray) -> Comparison:
    """The comparison with the largest piece that is seen and does not belong to the mask."""
    around = ndimage.binary_dilation(mask, iterations=APART) if mask.any() else mask
    # Opened, so that the rim of an object that is drawn too small is not taken for an object.
    pieces, count = ndimage.label(ndimage.binary_opening((seen > 0.5) & ~around, iterations=APART // 2))
    if not count:
        return replace(found, object_area=0.0)
    best = int(np.argmax(ndimage.sum_labels(2 * seen - 1, pieces, np.arange(1, count + 1))))
    rows, columns = ndimage.find_objects(pieces)[best]
    inside = pieces == best + 1
    side = len(mask)
    return replace(
        found,
        object_area=float(inside.mean()),
        object_sure=float(seen[inside].mean()),
        object_iou=overlap(seen > 0.5, mask | inside),
        object_edge=_along(inside, edges) / max(_along(mask, edges), 1e-6) if mask.any() else np.nan,
        object_box=(columns.start / side, rows.start / side, columns.stop / side, rows.stop / side),
    )


def _along(inside: np.ndarray, edges: np.ndarray) -> float:
    """Mean strength along an outline; what is seen ends a little beside the edge as often as on it."""
    return float(ndimage.maximum_filter(edges, APART + 1)[border(inside)].mean()) if border(inside).any() else 0.0


def small(maps: np.ndarray) -> np.ndarray:
    """A map [g, g] averaged over SEARCHED x SEARCHED areas, as a unit vector without its mean (zeros for a flat one)."""
    side = len(maps)
    edges = np.linspace(0, side, SEARCHED + 1).round().astype(np.int64)
    sums = np.add.reduceat(np.add.reduceat(maps.astype(np.float32), edges[:-1], axis=0), edges[:-1], axis=1)
    sizes = np.diff(edges)
    flat = (sums / np.outer(sizes, sizes)).reshape(-1)
    flat = flat - flat.mean()
    length = float(np.linalg.norm(flat))
    return np.asarray(flat / length if length > 1e-3 else np.zeros_like(flat), dtype=np.float32)


def others(seen: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every seen map [n, d] the given one of another image that is most like it: row (-1: none), correlation with it, and
    with its own. Vectors of `small`. Cost grows as n log n: a tree on the leading directions proposes candidates."""
    count = len(seen)
    own = np.einsum("nd,nd->n", seen, given)
    if count < 2:
        return np.full(count, -1), np.full(count, np.nan), own
    _, directions = np.linalg.eigh(given.T @ given)
    leading = directions[:, -DIRECTIONS:]
    many = min(CANDIDATES + 1, count)
    _, places = cKDTree(given @ leading).query(seen @ leading, k=np.arange(1, many + 1))
    alike = np.stack([np.einsum("nd,nd->n", seen, given[column]) for column in places.T], axis=1)
    alike = np.where(places == np.arange(count)[:, None], -np.inf, alike)
    best = alike.argmax(axis=1)
    rows = np.arange(count)
    return places[rows, best], alike[rows, best], own
