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

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.train.detector import Head, Opinion, Scene, detect, judge, moved, targets, train_head
from snellen.train.drawn import Drawn, anchors_of, folds_of
from snellen.train.machine import Setting
from snellen.train.maps import BATCH, Eye, Maps
from snellen.train.object_columns import View, columns
from snellen.train.second_look import Cutter, Lessons, out_of_fold

FOLDS = 3
FEWEST_BOXES = 30
# More images do not make a small head better, only slower: the others are judged, not learnt from.
MOST_IMAGES = 600
STEPS = (150, 900)
# Proposals per image that are looked at again, and moved copies of a drawn box from which the second look learns.
AGAIN, COPIES, MOST_COPIES = 20, 4, 6000


def measure_objects(
    catalog: Catalog, pixels: Pixels, model: nn.Module, setting: Setting, *, size: int, seed: int = 0
) -> Catalog:
    """Add what out-of-fold heads say of every object, and the list column `proposals` {box, label, score} of objects that
    they see where nothing is drawn (pixels of the image, best first).

    Per object: `object_score` (the box frames one object, 0..1), `object_foreground` (something is there), `object_own` and
    `object_rival` (probability of its class and of the best other, given that something is there), `object_suggested` (that
    other class), `object_match` (overlap with the box that is seen for it, 0: none), `object_match_score`, `object_better`
    (that box). NaN, empty and null where nothing could be measured: objects with a problem, images that cannot be used, fewer
    than FEWEST_BOXES boxes. `size` is the side of the stored images; 448 finds more than 320. Raises MissingSignal without
    `objects`, `width` and `height`. The cost of learning is bounded, that of judging grows with images and boxes.
    """
    drawn = Drawn.of(catalog, pixels, size)
    if drawn.count < FEWEST_BOXES or len(drawn.rows) < FOLDS:
        return catalog.with_columns(columns(catalog, drawn, []))
    folds = folds_of(catalog, drawn.rows, folds=FOLDS, seed=seed)
    first = _first_look(_Given(drawn, pixels, model, setting, size, seed), folds)
    second = _second_look(_Given(drawn, pixels, model, setting, size, seed), folds, first)
    return catalog.with_columns(columns(catalog, drawn, second))


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
    drawn, count = given.drawn, len(given.drawn.rows)
    eye = Eye.learn(given.model, given.setting, given.pixels, drawn.stored, given.size)
    learnt = np.sort(np.random.default_rng(given.seed).permutation(count)[:MOST_IMAGES])
    maps: dict[int, Maps] = {}
    for start in range(0, len(learnt), BATCH):
        part = learnt[start : start + BATCH]
        maps |= dict(zip(part.tolist(), eye.see(given.images(part)), strict=True))
    anchors = anchors_of(drawn, size=given.size, seed=given.seed)
    scenes = {image: Scene(seen, drawn.on(image), drawn.labels(image)) for image, seen in maps.items()}
    heads = [_head([scenes[i] for i in scenes if folds[i] != fold], anchors, given, fold) for fold in range(FOLDS)]
    return [
        _view(heads[folds[image]], seen, drawn.on(image), anchors, given.size)
        for image, seen in enumerate(_all_maps(eye, given, maps))
    ]


def _head(scenes: Sequence[Scene], anchors: Tensor, given: _Given, fold: int) -> Head:
    # A pass over all boxes is of no use to a head that has seen each a hundred times.
    steps = int(np.clip(2 * sum(len(scene.boxes) for scene in scenes), *STEPS))
    return train_head(scenes, anchors, len(given.drawn.names), size=given.size, steps=steps, seed=given.seed + fold)


def _all_maps(eye: Eye, given: _Given, known: dict[int, Maps]) -> Iterator[Maps]:
    """Maps of every image in order; those that were not kept are made batch by batch."""
    count = len(given.drawn.rows)
    for start in range(0, count, BATCH):
        part = range(start, min(start + BATCH, count))
        fresh = [image for image in part if image not in known]
        made = dict(zip(fresh, eye.see(given.images(fresh)), strict=True)) if fresh else {}
        yield from (known.get(image) or made[image] for image in part)


def _view(head: Head, maps: Maps, boxes: Tensor, anchors: Tensor, size: int) -> View:
    seen, opinion = detect(head, maps, anchors, size)
    return View(seen[:AGAIN], opinion.take(slice(0, AGAIN)), judge(head, maps, boxes, size))


def _second_look(given: _Given, folds: np.ndarray, views: Sequence[View]) -> list[View]:
    """The views after every box was looked at alone: opinions averaged, proposals moved and sorted out again."""
    drawn = given.drawn
    chance = torch.Generator().manual_seed(given.seed)
    copies = min(COPIES, MOST_COPIES / drawn.count)
    shown = [
        torch.cat([drawn.on(i), view.seen, _copied(drawn.on(i), copies, given.size, chance)])
        for i, view in enumerate(views)
    ]
    some = np.linspace(0, len(shown) - 1, min(len(shown), 60)).astype(int)
    cutter = Cutter.learn(given.model, given.setting, given.images(some), [shown[i][:6] for i in some])
    features = [
        cutter.show(given.images(np.arange(start, min(start + BATCH, len(shown)))), shown[start : start + BATCH])
        for start in range(0, len(shown), BATCH)
    ]
    parts = [targets(boxes, drawn.on(i), drawn.labels(i)) for i, boxes in enumerate(shown)]
    label, overlap, way = (torch.cat(values) for values in zip(*parts, strict=True))
    fold = torch.from_numpy(np.repeat(folds, [len(boxes) for boxes in shown]))
    lessons = Lessons(torch.cat([part for part in features if len(part)]), label, overlap, way, fold)
    opinion = out_of_fold(lessons, classes=len(drawn.names), folds=FOLDS, seed=given.seed)
    return list(_averaged(given, views, shown, opinion))


def _copied(boxes: Tensor, copies: float, size: int, chance: torch.Generator) -> Tensor:
    """Some of the boxes, moved and resized a little or a lot."""
    if not len(boxes):
        return boxes
    count = int(copies * len(boxes) + float(torch.rand((), generator=chance)))
    return moved(boxes[torch.randint(len(boxes), (count,), generator=chance)], size, chance)


def _averaged(given: _Given, views: Sequence[View], shown: Sequence[Tensor], opinion: Opinion) -> Iterator[View]:
    start = 0
    for view, boxes in zip(views, shown, strict=True):
        drawn, seen = len(view.drawn.overlap), len(view.seen)
        own = view.drawn.mean(opinion.take(slice(start, start + drawn)))
        other = opinion.take(slice(start + drawn, start + drawn + seen))
        yield View.sorted_out(view.seen, other.step, view.opinion.mean(other), own, given.size)
        start += len(boxes)
