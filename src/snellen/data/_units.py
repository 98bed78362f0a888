"""What annotators are compared on: a sample's class, one label of a sample, an object, or the region of a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from snellen.annotations import Objects
from snellen.catalog import OK, Catalog
from snellen.data._likeness import LEAST_BOX, Likeness, likeness
from snellen.data._overlap import box_iou, candidates, match
from snellen.data.masks import Convention, read_mask
from snellen.values import SnellenError

# What another class takes away from an overlap: of two objects in one place, each is paired with its like.
SAME_CLASS = 0.2


@dataclass(frozen=True, slots=True)
class Mark:
    """What one annotator says of a unit. `place`: which object of the sample (-1: the sample as a whole)."""

    label: str
    place: int = -1
    key: str = ""
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """`image`: which pair of samples; `marks`: one for every annotator, None where it is missing; `likeness`: the lowest
    between two of them, 0..1 (1 where nothing is drawn)."""

    image: int
    marks: tuple[Mark | None, ...]
    likeness: float = 1.0

    def conflict(self, loose: float) -> str:
        """missed (one annotator has it, another has not), class, loose (alike by less than `loose`), or nothing."""
        labels = {mark.label for mark in self.marks if mark is not None}
        if None in self.marks:
            return "missed"
        return "class" if len(labels) > 1 else "loose" if self.likeness < loose else ""


def paired(catalogs: Sequence[Catalog]) -> tuple[np.ndarray, list[int]]:
    """Rows [n, annotators] of the same sample, in the first catalog's order, and how many usable rows of each are alone.

    The same sample has the same content and path, else the same content, else the same path. Samples whose verdict is not
    ok in one of the catalogs are not compared.
    """
    free = [dict.fromkeys(np.flatnonzero(item.column("verdict").astype(str) == OK).tolist()) for item in catalogs]
    names = [
        (item.column("content").astype(str).tolist(), item.column("path").astype(str).tolist()) for item in catalogs
    ]
    found: list[tuple[int, ...]] = []
    for parts in ((0, 1), (0,), (1,)):
        tables = [_named(rows, name, parts) for rows, name in zip(free, names, strict=True)]
        for key in tables[0]:
            if all(key in table for table in tables):
                found.append(tuple(table[key] for table in tables))
                for rows, row in zip(free, found[-1], strict=True):
                    del rows[row]
    return np.asarray(sorted(found), dtype=np.int64).reshape(-1, len(catalogs)), [len(rows) for rows in free]


def _named(
    rows: Mapping[int, Any], names: tuple[list[str], list[str]], parts: tuple[int, ...]
) -> dict[tuple[Any, ...], int]:
    """Rows by (texts, how many of these texts came before in the order of paths)."""
    seen: Counter[tuple[str, ...]] = Counter()
    found = {}
    for row in sorted(rows, key=lambda row: names[1][row]):
        key = tuple(names[part][row] for part in parts)
        if all(key):
            found[(*key, seen[key])] = row
            seen[key] += 1
    return found


def whole_units(catalogs: Sequence[Catalog], rows: np.ndarray) -> list[Unit]:
    """The class of every sample; a sample that an annotator left without one is missed."""
    targets = [item.column("target").astype(str)[rows[:, place]].tolist() for place, item in enumerate(catalogs)]
    marks = (tuple(Mark(name) if name else None for name in names) for names in zip(*targets, strict=True))
    return [Unit(image, mark) for image, mark in enumerate(marks) if any(mark)]


def label_units(catalogs: Sequence[Catalog], rows: np.ndarray) -> list[Unit]:
    """Every label that an annotator gave a sample."""
    columns = [item.table.column("labels").to_pylist() for item in catalogs]
    found = []
    for image, places in enumerate(rows.tolist()):
        given = [set(column[row] or ()) for column, row in zip(columns, places, strict=True)]
        for name in sorted(set().union(*given)):
            found.append(Unit(image, tuple(Mark(name) if name in names else None for names in given)))
    return found


def drawn_units(
    catalogs: Sequence[Catalog], rows: np.ndarray, *, iou: float, sigma: float
) -> tuple[list[Unit], list[int]]:
    """Objects, paired by likeness of at least `iou`, and how many unusable ones of each annotator were not compared.

    Of several annotators each is paired with what those before have drawn. Places count within the sample's objects.
    """
    every = [Objects.of(item) for item in catalogs]
    objects = [item.where(item.usable) for item in every]
    starts = [np.searchsorted(item.row, np.arange(len(catalog))) for item, catalog in zip(every, catalogs, strict=True)]
    within = [(np.arange(len(item)) - start[item.row])[item.usable] for item, start in zip(every, starts, strict=True)]
    task = catalogs[0].task
    alike = likeness(task, objects, list(catalogs[0].about("keypoints") or ()), sigma=sigma)
    pairing = _Pairing(objects, within, alike, iou, iou if task == "detection" else LEAST_BOX)
    bounds = [
        np.stack([np.searchsorted(item.row, rows[:, place], side=side) for side in ("left", "right")], axis=1)
        for place, item in enumerate(objects)
    ]
    units = [unit for image in range(len(rows)) for unit in pairing.units(image, [bound[image] for bound in bounds])]
    return units, [int((~item.usable).sum()) for item in every]


@dataclass(frozen=True, slots=True)
class _Pairing:
    """`objects`: the usable ones of every annotator; `within` [m]: their place in the sample's list."""

    objects: list[Objects]
    within: list[np.ndarray]
    alike: Likeness
    iou: float
    box: float

    def units(self, image: int, bounds: Sequence[np.ndarray]) -> Iterator[Unit]:
        """Units of one image; `bounds`: first and last place of its objects for every annotator."""
        groups: list[dict[int, int]] = []
        for annotator, (first, last) in enumerate(bounds):
            own = np.arange(first, last)
            joined = self._join(groups, annotator, own)
            for number, place in joined.items():
                groups[number][annotator] = place
            taken = set(joined.values())
            groups += [{annotator: place} for place in own.tolist() if place not in taken]
        for group in groups:
            marks = tuple(self._mark(annotator, group.get(annotator)) for annotator in range(len(bounds)))
            yield Unit(image, marks, self._lowest(group))

    def _join(self, groups: list[dict[int, int]], annotator: int, own: np.ndarray) -> dict[int, int]:
        """Which object of this annotator belongs to which group."""
        found: dict[int, int] = {}
        if not groups or not len(own):
            return found
        # A group is stood for by whoever drew it first.
        leaders = [min(group.items()) for group in groups]
        boxes = np.stack([self.objects[who].box[place] for who, place in leaders])
        group, mine, overlap = candidates(boxes, self.objects[annotator].box[own], least=self.box)
        score = self._scores(leaders, group, annotator, own[mine], overlap)
        keep = score >= self.iou
        group, mine, score = group[keep], own[mine[keep]], score[keep]
        labels = np.asarray([self.objects[who].label[place] for who, place in leaders])
        bonus = SAME_CLASS * (labels[group] == self.objects[annotator].label[mine])
        chosen = match(group, mine, score + bonus)
        return dict(zip(group[chosen].tolist(), mine[chosen].tolist(), strict=True))

    def _scores(
        self, leaders: list[tuple[int, int]], group: np.ndarray, annotator: int, mine: np.ndarray, overlap: np.ndarray
    ) -> np.ndarray:
        who = np.asarray([leader for leader, _ in leaders])[group]
        place = np.asarray([place for _, place in leaders])[group]
        score = np.zeros(len(group))
        for leader in np.unique(who).tolist():
            some = who == leader
            score[some] = self.alike(leader, place[some], annotator, mine[some], overlap[some])
        return score

    def _lowest(self, group: dict[int, int]) -> float:
        values = []
        for (one, i), (other, j) in combinations(sorted(group.items()), 2):
            boxes = box_iou(self.objects[one].box[[i]], self.objects[other].box[[j]])
            values.append(float(self.alike(one, np.asarray([i]), other, np.asarray([j]), boxes)[0]))
        return min(values, default=1.0)

    def _mark(self, annotator: int, place: int | None) -> Mark | None:
        if place is None:
            return None
        item = self.objects[annotator]
        x0, y0, x1, y1 = item.box[place].tolist()
        return Mark(str(item.label[place]), int(self.within[annotator][place]), str(item.key[place]), (x0, y0, x1, y1))


def region_units(catalogs: Sequence[Catalog], rows: np.ndarray) -> tuple[list[Unit], list[int]]:
    """The region of every class that an annotator painted in a sample, background left out, and masks not compared.

    Where classes are named, other values of a mask ("not labelled") are no regions.
    """
    names = {int(number): str(name) for item in catalogs for number, name in (item.about("classes") or {}).items()}
    conventions = [Convention.of(item) for item in catalogs]
    files = [_masks(item) for item in catalogs]
    found, lost = [], [0] * len(catalogs)
    for image, places in enumerate(rows.tolist()):
        paths = [column[row] for column, row in zip(files, places, strict=True)]
        masks = [read_mask(path, rule).ids if path else None for path, rule in zip(paths, conventions, strict=True)]
        lost = [count + (mask is None) for count, mask in zip(lost, masks, strict=True)]
        whole = [mask for mask in masks if mask is not None]
        if len(whole) == len(masks):
            found += list(_regions(image, whole, names, {rule.background for rule in conventions}))
    return found, lost


def _masks(catalog: Catalog) -> list[Path | None]:
    columns = (catalog.table.column(name).to_pylist() for name in ("root", "mask"))
    return [Path(root) / path if path else None for root, path in zip(*columns, strict=True)]


def _regions(image: int, masks: list[np.ndarray], names: Mapping[int, str], background: set[int]) -> Iterator[Unit]:
    there = [set(np.unique(mask).tolist()) - background for mask in masks]
    for number in sorted(set().union(*there)):
        if not names or number in names:
            label = names.get(number, str(number))
            marks = tuple(Mark(label) if number in numbers else None for numbers in there)
            held = [mask == number for mask, mark in zip(masks, marks, strict=True) if mark is not None]
            yield Unit(image, marks, min((_region_iou(a, b) for a, b in combinations(held, 2)), default=1.0))


def _region_iou(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum()) if one.shape == other.shape else 0.0


UNITS: Mapping[str, Callable[..., list[Unit]]] = {"classification": whole_units, "multilabel": label_units}


def units_of(
    catalogs: Sequence[Catalog], rows: np.ndarray, *, iou: float, sigma: float
) -> tuple[list[Unit], list[int]]:
    """The units of a task, and how many marks of every annotator could not be compared; raises SnellenError for others."""
    task = catalogs[0].task
    if task in UNITS:
        return UNITS[task](catalogs, rows), [0] * len(catalogs)
    if task in ("detection", "instance", "keypoints"):
        return drawn_units(catalogs, rows, iou=iou, sigma=sigma)
    if task == "segmentation":
        return region_units(catalogs, rows)
    raise SnellenError(
        f"annotators of {task} data cannot be compared: there is nothing that they could have drawn differently"
    )
