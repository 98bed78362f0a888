"""What every export does first: see that the format can hold the task, and choose what is sound."""

from __future__ import annotations

import importlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from snellen.annotations import Objects
from snellen.catalog import OK, Catalog
from snellen.data.silhouette import of_run_lengths
from snellen.values import FrozenMap, SnellenError, freeze

DRAWN_TASKS = ("detection", "instance", "keypoints")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written. `left_out`: how many samples and objects were not, by reason; `changed`: what had to be altered."""

    files: tuple[Path, ...]
    samples: int
    objects: int = 0
    left_out: Mapping[str, int] = field(default_factory=FrozenMap)
    changed: Mapping[str, int] = field(default_factory=FrozenMap)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One object. `box`: x0, y0, x1, y1 pixels; `outlines`: lines [p, 2]; `points` [k, 3]: x, y, visibility."""

    key: str
    label: str
    box: tuple[float, float, float, float]
    outlines: tuple[np.ndarray, ...]
    rle: str
    points: np.ndarray
    crowd: bool

    @property
    def area(self) -> float:
        """Pixels of the outlines (each taken alone), of the run lengths, or of the box."""
        if self.outlines:
            return float(sum(abs(_shoelace(line)) for line in self.outlines))
        if self.rle:
            return float(of_run_lengths(self.rle).area)
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


def _shoelace(line: np.ndarray) -> float:
    x, y = (line - line[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


@dataclass(frozen=True, slots=True)
class Sample:
    """One image that is exported; `row` is its place in the catalog."""

    row: int
    id: str
    path: str
    root: str
    split: str
    width: int
    height: int
    objects: tuple[Drawn, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The sound part of a catalog; `points` are the names of the keypoints."""

    task: str
    classes: tuple[str, ...]
    points: tuple[str, ...]
    samples: tuple[Sample, ...]
    left_out: Mapping[str, int]

    def done(self, files: list[Path], *, changed: Mapping[str, int] | None = None) -> Exported:
        """The account of the export."""
        return Exported(
            files=tuple(files),
            samples=len(self.samples),
            objects=sum(len(sample.objects) for sample in self.samples),
            left_out=freeze(self.left_out),
            changed=freeze({key: count for key, count in (changed or {}).items() if count}),
        )

    def by_split(self) -> dict[str, list[Sample]]:
        """Samples of every split that has some."""
        found: dict[str, list[Sample]] = {}
        for sample in self.samples:
            found.setdefault(sample.split, []).append(sample)
        return dict(sorted(found.items()))


def select(catalog: Catalog, folder: Path, *, name: str, tasks: tuple[str, ...], crowds: bool = False) -> Selection:
    """The usable samples and their objects without a problem, what is left out counted by reason.

    `crowds`: whether the format can say that a region holds many objects. Raises SnellenError where the format cannot
    hold the task, where two samples have one path, where sizes were not measured, and for a folder that is not free.
    """
    if catalog.task not in tasks:
        able = ", ".join(_able(catalog.task)) or "none"
        raise SnellenError(f"{name} cannot hold {catalog.task} labels; exports that can: {able}")
    _check_free(Path(folder), catalog)
    left_out: Counter[str] = Counter()
    objects = _objects(catalog, left_out, crowds) if catalog.task in DRAWN_TASKS else {}
    samples = tuple(_samples(catalog, objects, left_out))
    _check_paths(samples)
    return Selection(
        catalog.task, _classes(catalog, samples), _points(catalog), samples, dict(sorted(left_out.items()))
    )


def _able(task: str) -> list[str]:
    here = Path(__file__).parent
    modules = [(path.stem, importlib.import_module(f"{__package__}.{path.stem}")) for path in here.glob("[!_]*.py")]
    return sorted(stem for stem, module in modules if task in module.TASKS)


def _check_free(folder: Path, catalog: Catalog) -> None:
    whole = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        raise SnellenError(f"{folder} is not empty; name a new folder for the export")
    for root in sorted(set(catalog.column("root").astype(str)) - {""}):
        if whole.is_relative_to(Path(root).resolve()) and Path(root) != Path(Path(root).anchor):
            raise SnellenError(f"{folder} lies inside the data {root}, which is never written to; name another folder")


def _check_paths(samples: tuple[Sample, ...]) -> None:
    twice = [path for path, count in Counter(sample.path for sample in samples).items() if count > 1]
    if twice:
        raise SnellenError(
            f"{len(twice)} paths are there twice ({twice[0]!r} for one), and labels would not tell which image they are "
            "of; export one source at a time"
        )


def _samples(catalog: Catalog, objects: Mapping[int, list[Drawn]], left_out: Counter[str]) -> Iterator[Sample]:
    columns = {name: catalog.column(name).tolist() for name in ("id", "path", "root", "split", "verdict")}
    sizes = _sizes(catalog)
    for row, verdict in enumerate(columns["verdict"]):
        drawn = tuple(objects.get(row, ()))
        reason = f"sample: {verdict}" if verdict != OK else "" if sizes[row] else "sample: size not known"
        if reason:
            left_out[reason] += 1
            left_out.update({"object: its image is left out": len(drawn)} if drawn else {})
            continue
        name, path, root, split = (str(columns[column][row]) for column in ("id", "path", "root", "split"))
        width, height = sizes[row] or (0, 0)
        yield Sample(row, name, path, root, split, width, height, drawn)


def _sizes(catalog: Catalog) -> list[tuple[int, int] | None]:
    """Width and height of every image; none is asked for where labels do not lie on pixels."""
    if not (catalog.has("width") and catalog.has("height")):
        if catalog.task in DRAWN_TASKS:
            raise SnellenError("the catalog has no image sizes (columns width, height); export it after an audit")
        return [(0, 0)] * len(catalog)
    values = np.stack([catalog.column(name).astype(float) for name in ("width", "height")], axis=1)
    return [(int(w), int(h)) if math.isfinite(w * h) and w * h > 0 else None for w, h in values]


def _objects(catalog: Catalog, left_out: Counter[str], crowds: bool) -> dict[int, list[Drawn]]:
    objects = Objects.of(catalog)
    found: dict[int, list[Drawn]] = {}
    rles = objects.table.field("rle").to_pylist()
    items = zip(objects.row.tolist(), objects.key.tolist(), objects.label.tolist(), objects.box.tolist(), strict=True)
    parts = zip(items, objects.polygons(), rles, objects.keypoints(), objects.crowd.tolist(), strict=True)
    for place, ((row, key, label, box), outlines, rle, points, crowd) in enumerate(parts):
        item = Drawn(key, label, tuple(box), tuple(outlines), rle or "", _labelled(points), crowd)
        reason = str(objects.problem[place]) or _fault(item, catalog.task, crowds)
        if reason:
            left_out[f"object: {reason}"] += 1
        else:
            found.setdefault(row, []).append(item)
    return found


def _labelled(points: np.ndarray) -> np.ndarray:
    """Points [k, 3]; those that are not labelled stand at 0, 0: nobody asks where they were, and it may be NaN."""
    return np.where(points[:, 2:] > 0, points, 0.0)


def _fault(item: Drawn, task: str, crowds: bool) -> str:
    if item.crowd and not crowds:
        return "a crowd"
    if not np.isfinite(item.box).all():
        return "no box"
    if task == "instance" and not item.outlines and not item.rle:
        return "no outline"
    return "no keypoints" if task == "keypoints" and not len(item.points) else ""


def _classes(catalog: Catalog, samples: tuple[Sample, ...]) -> tuple[str, ...]:
    """The classes in the order of the catalog; those that it does not name follow, sorted."""
    if catalog.task == "classification":
        return tuple(sorted({*catalog.usable().column("target").tolist()} - {""}))
    told = catalog.about("classes") or []
    known = [str(name) for name in (told.values() if isinstance(told, Mapping) else told)]
    there = {item.label for sample in samples for item in sample.objects}
    return tuple(dict.fromkeys([*known, *sorted(there - set(known))]))


def _points(catalog: Catalog) -> tuple[str, ...]:
    return tuple(str(name) for name in catalog.about("keypoints") or ())


def within_images(chosen: Selection, changed: Counter[str]) -> Selection:
    """The selection with every object cut to its image; what lies outside is left out."""
    samples, left_out = [], Counter(chosen.left_out)
    for sample in chosen.samples:
        inside = [(item, _clipped(item, sample)) for item in sample.objects]
        changed["object: cut to the image"] += sum(cut is not None and cut.box != item.box for item, cut in inside)
        left_out["object: outside the image"] += sum(cut is None for _, cut in inside)
        samples.append(replace(sample, objects=tuple(cut for _, cut in inside if cut is not None)))
    return replace(chosen, samples=tuple(samples), left_out={key: count for key, count in left_out.items() if count})


def _clipped(item: Drawn, sample: Sample) -> Drawn | None:
    """The object with its box and outlines cut to the image; None where nothing is left of the box."""
    limit = np.asarray([sample.width, sample.height], dtype=float)
    box = np.clip(np.asarray(item.box).reshape(2, 2), 0, limit)
    if (box[1] <= box[0]).any():
        return None
    outlines = tuple(np.clip(line, 0, limit) for line in item.outlines)
    return replace(item, box=tuple(box.reshape(-1).tolist()), outlines=outlines)


def number(value: Any, places: int = 6) -> float | int:
    """A coordinate as it is written: without the last digits that adding and taking away leave behind."""
    rounded = round(float(value), places)
    return int(rounded) if rounded.is_integer() else rounded
