"""What a small cross-validated detector thinks of every drawn box, and which objects it sees where nothing is drawn.

Every image is judged by heads that have seen neither it nor a duplicate of it, on features of a frozen network: the first looks
at the image's maps and proposes, the second looks at each box alone, and both opinions are averaged. What is drawn is then
compared with what is seen (the idea of ObjectLab: Tkachenko, Thyagarajan & Mueller 2023, arXiv:2309.00832).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import box_iou

from snellen.catalog import OK, Catalog
from snellen.data.formats.notes import with_note
from snellen.data.pixels import Pixels
from snellen.train.detector import Head, Opinion, detect, judge, train_head
from snellen.train.drawn import Drawn, anchors_of, folds_of
from snellen.train.machine import Setting, looking
from snellen.train.maps import BATCH, Eye, Maps
from snellen.train.object_columns import View, columns
from snellen.train.regions import Portion, Regions, copied, gather, targets
from snellen.train.second_look import Cutter, Lessons, out_of_fold

FOLDS = 3
FEWEST_BOXES = 30
# Side in pixels at which images are looked at, if they are not stored larger: small objects are seen better.
SIDE = 448
# Images that are looked at, and of these those that heads learn from: more do not make a small head better, only slower.
MOST_JUDGED, MOST_LEARNT = 2000, 600
# Where there are no more images than this, they are looked at mirrored too.
MIRRORED = 120
STEPS = (150, 360)
# Objects that are seen in an image at most: by the number of its boxes, and within these bounds.
SEEN_PER_BOX, SEEN = 1.5, (50, 240)
# Of the second look, for every image: proposals that are not settled, which is to overlap with a drawn box so much, or sure
# so little. And in all: drawn boxes (the most doubted), and moved copies of boxes to learn from.
AGAIN, SETTLED, DULL = 16, 0.7, 0.15
MOST_DRAWN, COPIES, MOST_COPIES = 5000, 4, 3000
# Images on whose boxes the second look finds its directions, and boxes of each.
SHOWN, SHOWN_EACH = 60, 6


def measure_objects(
    catalog: Catalog,
    pixels: Pixels,
    model: nn.Module,
    setting: Setting,
    *,
    size: int,
    seed: int = 0,
    most: int = MOST_JUDGED,
) -> Catalog:
    """Add what out-of-fold heads say of every object, and the list column `proposals` {box, label, score} of objects that
    they see where nothing is drawn (pixels of the image, best first).

    Per object: `object_score` (the box frames one object, 0..1), `object_foreground` (something is there), `object_own` and
    `object_rival` (probability of its class and of the best other, given that something is there), `object_suggested` (that
    other class), `object_match` (overlap with the box that is seen for it, 0: none), `object_match_score`, `object_better`
    (that box). NaN, empty and null where nothing was measured: objects with a problem, images that cannot be used, fewer
    than FEWEST_BOXES boxes, more than drawn.MOST_ON_IMAGE in one image. Of more than `most` images an even part is looked at
    and about("objects_judged") says how many. `size` is the side of the stored images. A model that does not show its maps
    (`forward_intermediates`) leaves the catalog as it is. Raises MissingSignal without `objects`, `width` and `height`.
    Time and memory of learning are bounded; judging grows with images and boxes up to `most`.
    """
    if not hasattr(model, "forward_intermediates"):
        return catalog
    look = max(size, SIDE)
    drawn = Drawn.of(catalog, pixels, look, most=most)
    if drawn.count < FEWEST_BOXES or len(drawn.rows) < FOLDS:
        return catalog.with_columns(columns(catalog, drawn, []))
    given = _Given(drawn, pixels, model, looking(setting), look, seed)
    folds = folds_of(catalog, drawn.rows, folds=FOLDS, seed=seed)
    views = _second_look(given, folds, _first_look(given, folds))
    left = int((catalog.column("verdict").astype(str) == OK).sum()) - len(drawn.rows)
    return with_note(catalog.with_columns(columns(catalog, drawn, views)), "images_uncompared", left)


@dataclass(frozen=True, slots=True)
class _Given:
    drawn: Drawn
    pixels: Pixels
    model: nn.Module
    setting: Setting
    size: int
    seed: int

    def images(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        return self.pixels.gather(self.drawn.stored[np.asarray(rows, dtype=np.int64)])


def _first_look(given: _Given, folds: np.ndarray) -> list[View]:
    """One pass of the network over the images that are learnt from, whose maps are kept, then one over the others."""
    drawn, count = given.drawn, len(given.drawn.rows)
    eye = Eye.learn(given.model, given.setting, given.pixels, drawn.stored, given.size)
    learnt = np.sort(np.random.default_rng(given.seed).permutation(count)[:MOST_LEARNT])
    maps = dict(_maps(eye, given, learnt))
    anchors = anchors_of(drawn, size=given.size, seed=given.seed)
    regions = _regions(given, maps, anchors)
    heads = [_head(given, regions, folds, fold) for fold in range(FOLDS)]
    rest = np.setdiff1d(np.arange(count), learnt)
    views: list[View | None] = [None] * count
    for image, seen in (*maps.items(), *_maps(eye, given, rest)):
        views[image] = _view(heads[folds[image]], seen, drawn.on(image), anchors, given.size)
    return [view for view in views if view is not None]


def _maps(eye: Eye, given: _Given, images: np.ndarray) -> Iterator[tuple[int, Maps]]:
    mirrored = len(given.drawn.rows) <= MIRRORED
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        yield from zip(part.tolist(), eye.see(given.images(part), mirrored=mirrored), strict=True)


def _regions(given: _Given, maps: dict[int, Maps], anchors: Tensor) -> Regions:
    drawn = given.drawn
    chance = torch.Generator().manual_seed(given.seed)
    portion = Portion.of(sum(len(drawn.members[image]) for image in maps), len(maps))
    parts = [
        gather(seen, drawn.on(image), drawn.labels(image), anchors, portion, image=image, size=given.size, chance=chance)
        for image, seen in maps.items()
    ]  # fmt: skip
    return Regions.joined(parts)


def _head(given: _Given, regions: Regions, folds: np.ndarray, fold: int) -> Head:
    rows = torch.where(torch.from_numpy(folds)[regions.image] != fold)[0]
    # A pass over all regions is of no use to a head that has seen each ten times.
    steps = int(np.clip(len(rows) // 40, *STEPS))
    return train_head(regions, rows, len(given.drawn.names), given.setting, steps=steps, seed=given.seed + fold)


def _view(head: Head, maps: Maps, boxes: Tensor, anchors: Tensor, size: int) -> View:
    # A drawn box is a good place to begin from, whatever stands there.
    most = int(np.clip(SEEN_PER_BOX * len(boxes), *SEEN))
    seen, opinion = detect(head, maps, torch.cat([anchors, boxes]), size, most=most)
    return View(seen, opinion, judge(head, maps, boxes, size))


@dataclass(frozen=True, slots=True)
class _Again:
    """What of an image is looked at again: rows of its drawn boxes and of what is seen, and moved copies [k, 4]."""

    drawn: Tensor
    seen: Tensor
    copies: Tensor

    def boxes(self, drawn: Tensor, view: View) -> Tensor:
        return torch.cat([drawn[self.drawn], view.seen[self.seen], self.copies])


def _second_look(given: _Given, folds: np.ndarray, views: Sequence[View]) -> list[View]:
    """The views after boxes were looked at alone: opinions averaged, proposals moved and sorted out again."""
    drawn = given.drawn
    again = _chosen(given, views)
    shown = [item.boxes(drawn.on(image), views[image]) for image, item in enumerate(again)]
    parts = [targets(boxes, drawn.on(i), drawn.labels(i)) for i, boxes in enumerate(shown)]
    label, overlap, way = (torch.cat(values) for values in zip(*parts, strict=True))
    fold = torch.from_numpy(np.repeat(folds, [len(boxes) for boxes in shown]))
    lessons = Lessons(_cut_out(given, shown), label, overlap, way, fold)
    opinion = out_of_fold(lessons, given.setting, classes=len(drawn.names), folds=FOLDS, seed=given.seed)
    return list(_averaged(views, again, opinion, given.size))


def _chosen(given: _Given, views: Sequence[View]) -> list[_Again]:
    drawn = given.drawn
    chance = torch.Generator().manual_seed(given.seed)
    copies = min(COPIES, MOST_COPIES / drawn.count)
    doubt = [1 - _own(view.drawn, drawn.labels(image)) for image, view in enumerate(views)]
    limit = torch.cat(doubt).topk(min(MOST_DRAWN, drawn.count)).values[-1]
    return [
        _Again(
            torch.where(doubt[image] >= limit)[0],
            _unsettled(drawn.on(image), view),
            copied(drawn.on(image), copies, given.size, chance),
        )
        for image, view in enumerate(views)
    ]


def _own(opinion: Opinion, labels: Tensor) -> Tensor:
    """[m] 0..1: the box is right, in place and class."""
    return opinion.score * opinion.probabilities[torch.arange(len(labels)), labels + 1]


def _unsettled(boxes: Tensor, view: View) -> Tensor:
    """Rows of what is seen that a second look may change: elsewhere than what is drawn, and not too faint."""
    open_ = view.opinion.score >= DULL
    if len(boxes) and len(view.seen):
        open_ &= box_iou(view.seen, boxes).max(dim=1).values < SETTLED
    return torch.where(open_)[0][:AGAIN]


def _cut_out(given: _Given, shown: Sequence[Tensor]) -> Tensor:
    """Features [sum of boxes, d] of cut-outs of the stored images, which may be smaller than what was looked at."""
    scaled = [boxes * (given.pixels.size / given.size) for boxes in shown]
    some = np.unique(np.linspace(0, len(shown) - 1, SHOWN).astype(np.int64))
    cutter = Cutter.learn(given.model, given.setting, given.images(some), [scaled[i][:SHOWN_EACH] for i in some])
    starts = range(0, len(scaled), BATCH)
    parts = [
        cutter.show(given.images(np.arange(start, min(start + BATCH, len(scaled)))), scaled[start : start + BATCH])
        for start in starts
    ]
    return torch.cat([part for part in parts if len(part)])


def _averaged(views: Sequence[View], again: Sequence[_Again], opinion: Opinion, size: int) -> Iterator[View]:
    start = 0
    for view, item in zip(views, again, strict=True):
        middle, end = start + len(item.drawn), start + len(item.drawn) + len(item.seen)
        own = view.drawn.mean_at(item.drawn, opinion.take(slice(start, middle)))
        second = opinion.take(slice(middle, end))
        step = torch.zeros(len(view.seen), 4).index_copy(0, item.seen, second.step)
        yield View.sorted_out(view.seen, step, view.opinion.mean_at(item.seen, second), own, size)
        start = end + len(item.copies)
