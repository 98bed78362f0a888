"""What a held-out segmenter sees against the mask that is given: numbers that the rules on masks read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from snellen.catalog import OK, Catalog, MissingSignal
from snellen.data.formats.notes import with_note
from snellen.data.mask_shape import edges_of
from snellen.data.masks import Convention, not_labelled, read_mask
from snellen.data.pixels import Pixels
from snellen.train.drawn import even
from snellen.train.machine import Setting, looking
from snellen.train.mask_classes import Doubt, Piece, doubts, pieces_of
from snellen.train.mask_comparison import Comparison, compare, others, small
from snellen.train.segmenter import FOLDS, UNKNOWN, Eye, Given, folds_of, held_out

# With fewer masks nothing can be learnt from the others.
FEWEST = 2 * FOLDS
# Images that are compared: of more an even part.
MOST_JUDGED = 5000
# More ids than this, with no names for them, are numbers of objects, not classes.
MOST_CLASSES = 64
NOTHING = Comparison()


@dataclass(frozen=True, slots=True)
class _Masks:
    """The masks of some samples on a grid: files, ids of the classes (the background first), ids that say nothing."""

    files: tuple[Path | None, ...]
    convention: Convention
    classes: tuple[int, ...]
    single: bool
    grid: int

    def __call__(self, place: int) -> np.ndarray:
        """[grid, grid] int16 class indices by the cells' centres; UNKNOWN where the id is of no class."""
        path = self.files[place]
        ids = None if path is None else read_mask(path, self.convention).ids
        if ids is None:
            return np.full((self.grid, self.grid), UNKNOWN, dtype=np.int16)
        rows, columns = (((np.arange(self.grid) + 0.5) * side / self.grid).astype(np.int64) for side in ids.shape)
        ids = ids[np.ix_(rows, columns)]
        if self.single:
            return np.asarray(ids != self.convention.background, dtype=np.int16)
        found = np.full(ids.shape, UNKNOWN, dtype=np.int16)
        for index, number in enumerate(self.classes):
            found[ids == number] = index
        return found


def measure_segments(
    catalog: Catalog,
    pixels: Pixels,
    model: nn.Module,
    setting: Setting,
    *,
    size: int,
    seed: int = 0,
    most: int = MOST_JUDGED,
) -> Catalog:
    """Add what a small segmenter, trained on the frozen `model` with the other folds, says of every mask.

    segment_iou: of given and seen foreground. segment_extra, segment_missed: seen outside of the mask, given but not seen,
    by both together. segment_seen: seen foreground of the whole image. segment_offset (pixels of the image; the mask would
    have to grow by it), segment_offset_gain (by so much the IoU rises); segment_shift_x, segment_shift_y,
    segment_shift_gain likewise. segment_other: id of the sample whose mask is most like what is seen here,
    segment_other_match, segment_own_match: correlation of both masks with it. segment_object_area (share of the image),
    _sure, _iou, _edge, _box (x0, y0, x1, y1 in pixels): the largest piece that is seen apart from the mask; see `Comparison`.
    segment_class_given, segment_class_suggested (names; empty where no class is doubted), segment_class_quality,
    segment_class_sure (their probabilities), segment_class_box: the piece whose class is doubted most.

    `pixels` and `size`: stored squashed to size x size; a multiple of 32. Reads the columns of `measure_masks`, and `near`
    (near duplicates share a fold) where it is there. A model without `forward_intermediates`, or fewer than ten usable masks,
    leave the catalog as it is. Of more than `most` images an even part is compared, which a note of the catalog says; what is
    left out has NaN. Raises MissingSignal where the masks were not measured.
    """
    if not catalog.has("mask_problem"):
        raise MissingSignal("mask_problem")
    found = np.flatnonzero(catalog.column("verdict").astype(str) == OK)
    usable = even(found, most)
    part = catalog.take(usable)
    eye = Eye(model, looking(setting), size)
    masks, learnable = _masks(part, size)
    groups = _groups(part)
    if not hasattr(model, "forward_intermediates") or len(np.unique(groups[learnable])) < FEWEST:
        return catalog
    classes = 2 if masks.single else len(masks.classes)
    given = Given(pixels, pixels.rows_of(part), replace(masks, grid=eye.grid), learnable, groups, classes)
    columns = _columns(catalog, usable, _judged(eye, given, masks, part, seed), masks)
    return with_note(catalog.with_columns(columns), "images_uncompared", len(found) - len(usable))


def _groups(part: Catalog) -> np.ndarray:
    near = part.column("near") if part.has("near") else np.full(len(part), -1)
    return np.asarray(np.where(near >= 0, near, near.max(initial=0) + 1 + np.arange(len(part))))


def _masks(part: Catalog, grid: int) -> tuple[_Masks, np.ndarray]:
    """The masks of usable samples and which of them can be learnt from, [n] bool."""
    problems = part.table.column("mask_problem").to_pylist()
    ids = [item or [] for item in part.table.column("mask_ids").to_pylist()]
    convention = Convention.of(part)
    learnable = np.asarray([problem.startswith("unknown id") or not problem for problem in problems], dtype=bool)
    known = convention.classes or frozenset(
        number for item, good in zip(ids, learnable, strict=True) if good for number in item
    )
    ordered = (convention.background, *sorted(known - {convention.background} - not_labelled(ids, convention)))
    single = convention.classes is None and len(ordered) > MOST_CLASSES
    roots, names = (part.table.column(name).to_pylist() for name in ("root", "mask"))
    # A mask of another size is compared too (it may be another image's), but nothing is learnt from it.
    files = tuple(
        Path(root) / name if name and (good or problem == "another size") else None
        for root, name, good, problem in zip(roots, names, learnable, problems, strict=True)
    )
    return _Masks(files, convention, ordered, single, grid), learnable


@dataclass(frozen=True, slots=True)
class _Judged:
    """Of the usable samples: comparisons, doubted classes by place, and the nearest other mask (place, match, own match)."""

    comparisons: list[Comparison]
    doubts: dict[int, Doubt]
    other: tuple[np.ndarray, np.ndarray, np.ndarray]


def _judged(eye: Eye, given: Given, masks: _Masks, part: Catalog, seed: int) -> _Judged:
    problems = part.table.column("mask_problem").to_pylist()
    comparisons = [NOTHING] * len(part)
    maps = np.zeros((2, len(part), small(np.zeros((eye.size, eye.size))).size), dtype=np.float16)
    pieces: list[Piece] = []
    for place, seen in held_out(eye, given, seed):
        mask = masks(place)
        if masks.files[place] is None:
            continue
        foreground = 1 - seen[0]
        maps[:, place] = small(foreground), small(mask > 0)
        if problems[place] == "another size":
            continue
        image = given.pixels.gather(given.rows[[place]])[0]
        comparisons[place] = compare(foreground, mask > 0, mask != UNKNOWN, edges_of(image))
        if given.classes > 2:
            pieces += pieces_of(eye, image, mask, seen, place)
    # The fold of every image is fixed by the seed: the same here as in `held_out`.
    folds = folds_of(given.groups, given.learnable, seed)
    pieces.sort(key=lambda piece: (piece.image, piece.label, piece.box))
    return _Judged(comparisons, doubts(pieces, folds, seed), others(*maps.astype(np.float32)))


def _columns(catalog: Catalog, usable: np.ndarray, judged: _Judged, masks: _Masks) -> dict[str, Any]:
    n = len(catalog)
    place_of = np.full(n, -1)
    place_of[usable] = np.arange(len(usable))
    found = [judged.comparisons[place] if place >= 0 else NOTHING for place in place_of]
    sizes = np.stack([_side(catalog, name, masks.grid) for name in ("width", "height")], axis=1)
    cell = np.sqrt(sizes.prod(axis=1)) / masks.grid

    def numbers(name: str) -> np.ndarray:
        return np.asarray([getattr(item, name) for item in found], dtype=np.float64)

    shifts = np.asarray([item.shift for item in found]) * sizes / masks.grid
    plain = ("iou", "extra", "missed", "seen", "object_area", "object_sure", "object_iou", "object_edge")
    return {
        **{f"segment_{name}": numbers(name) for name in plain},
        "segment_offset": numbers("offset") * cell,
        "segment_offset_gain": numbers("offset_iou") - numbers("iou"),
        "segment_shift_x": shifts[:, 0],
        "segment_shift_y": shifts[:, 1],
        "segment_shift_gain": numbers("shift_iou") - numbers("iou"),
        "segment_object_box": np.asarray([item.object_box for item in found]) * sizes[:, [0, 1, 0, 1]],
        **_other_columns(catalog, usable, judged),
        **_class_columns(catalog, usable, judged.doubts, masks, sizes),
    }


def _side(catalog: Catalog, name: str, grid: int) -> np.ndarray:
    """Width or height of the images in pixels; of one that has none, the grid's."""
    if not catalog.has(name):
        return np.full(len(catalog), float(grid))
    return np.asarray([float(side or grid) for side in catalog.table.column(name).to_pylist()])


def _other_columns(catalog: Catalog, usable: np.ndarray, judged: _Judged) -> dict[str, Any]:
    place, match, own = judged.other
    ids, n = catalog.ids, len(catalog)
    names = np.full(n, "", dtype=object)
    names[usable] = [ids[usable[row]] if row >= 0 else "" for row in place]
    matches = np.full((2, n), np.nan)
    matches[:, usable] = match, own
    texts = pa.array(names.tolist(), type=pa.string())
    return {"segment_other": texts, "segment_other_match": matches[0], "segment_own_match": matches[1]}


def _class_columns(
    catalog: Catalog, usable: np.ndarray, found: dict[int, Doubt], masks: _Masks, sizes: np.ndarray
) -> dict[str, Any]:
    named = catalog.about("classes") or {}
    words = [str(named.get(str(number), number)) for number in masks.classes]
    n = len(catalog)
    texts = {name: [""] * n for name in ("given", "suggested")}
    numbers = {name: np.full(n, np.nan) for name in ("quality", "sure")}
    boxes = np.full((n, 4), np.nan)
    for place, doubt in found.items():
        row = int(usable[place])
        texts["given"][row], texts["suggested"][row] = words[doubt.label], words[doubt.suggested]
        numbers["quality"][row], numbers["sure"][row] = doubt.own, doubt.other
        boxes[row] = np.asarray(doubt.box) / masks.grid * sizes[row, [0, 1, 0, 1]]
    columns: dict[str, Any] = {
        f"segment_class_{name}": pa.array(item, type=pa.string()) for name, item in texts.items()
    }
    return {**columns, **{f"segment_class_{name}": item for name, item in numbers.items()}, "segment_class_box": boxes}
