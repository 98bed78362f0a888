"""From annotations found by image to samples: sizes are looked up once for all images, and only then are objects made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snellen.data.formats.names import INSTANCE_WORDS, MASK_WORDS, split_of, usual_folder
from snellen.data.formats.notes import Notes
from snellen.data.formats.outlines import turned
from snellen.data.formats.sample import Sample
from snellen.data.formats.sizes import ACROSS, Size, sizes
from snellen.data.formats.tree import Parts, shown

Make = Callable[[Size | None], list[dict[str, Any]]]

# Verdict of an image that no annotation speaks of, though it lies among others that are annotated.
NO_LABEL = "no label"


@dataclass(slots=True)
class Placed:
    """What annotations say of one image: `make` its objects for a size, `stated` width and height (NaN: not said)."""

    split: str = ""
    stated: tuple[float, float] = (float("nan"), float("nan"))
    make: list[Make] = field(default_factory=list)


def placed_samples(
    root: Path,
    name: str,
    placed: Mapping[Parts, Placed],
    images: Sequence[Parts],
    notes: Notes,
    *,
    unlisted: bool = True,
) -> tuple[Sample, ...]:
    """Samples of all annotated images, and with `unlisted` of the others in their folders, as without label.

    Nothing where not one of the annotated images is there.
    """
    there = set(images)
    known = [file for file in placed if file in there]
    if not known:
        return ()
    usual = {split: usual_folder(file for file in known if placed[file].split == split) for split in _splits(placed)}
    found = dict(zip(known, sizes([root.joinpath(*file) for file in known]), strict=True))
    samples = []
    for file, place in placed.items():
        if file not in there:
            # A bare name is shown where the other images of its split lie, unless that is another image's place.
            among = (*usual[place.split], *file)
            where = file if len(file) > 1 or among in there or among in placed else among
            notes.add("image_missing", shown(where))
            samples.append(_sample(root, name, where, place, place_objects(place, None)))
            continue
        samples.append(_sample(root, name, file, place, _objects(file, place, found[file], notes)))
        _check_split(file, place, notes)
    rest = _rest(root, name, known, images, notes) if unlisted else []
    return (*samples, *rest)


def _splits(placed: Mapping[Parts, Placed]) -> set[str]:
    return {place.split for place in placed.values()}


def _sample(root: Path, name: str, file: Parts, place: Placed, objects: list[dict[str, Any]]) -> Sample:
    return Sample(root, shown(file), split=place.split or split_of(file[:-1]), source=name, objects=objects)


def place_objects(place: Placed, size: Size | None) -> list[dict[str, Any]]:
    """The objects of one image."""
    return [item for make in place.make for item in make(size)]


def _objects(file: Parts, place: Placed, size: Size | None, notes: Notes) -> list[dict[str, Any]]:
    """Made for the upright image; where the annotation states the size of the stored pixels, turned as EXIF says."""
    if size is None or place.stated == (size.width, size.height) or not all(side > 0 for side in place.stated):
        return place_objects(place, size)
    if size.turn in ACROSS and place.stated == (size.height, size.width):
        notes.add("image_turned", shown(file))
        stored = Size(size.height, size.width)
        return [turned(item, size) for item in place_objects(place, stored)]
    width, height = place.stated
    notes.add("size_differs", f"{shown(file)}: {width:g} x {height:g} stated, {size.width} x {size.height} there")
    return place_objects(place, size)


def _check_split(file: Parts, place: Placed, notes: Notes) -> None:
    lies = split_of(file[:-1])
    if lies and place.split and lies != place.split:
        notes.add("split_differs", f"{shown(file)}: annotated for {place.split}")


def _rest(root: Path, name: str, known: Sequence[Parts], images: Sequence[Parts], notes: Notes) -> list[Sample]:
    """Images without annotation: those among annotated ones are listed, whole folders of them are only told."""
    listed, folders = set(known), {file[:-1] for file in known}
    samples = []
    left: Counter[Parts] = Counter()
    for file in images:
        if file in listed:
            continue
        if file[:-1] not in folders:
            left[file[:-1]] += 1
            continue
        notes.add("image_unlisted", shown(file))
        samples.append(Sample(root, shown(file), split=split_of(file[:-1]), source=name, verdict=NO_LABEL))
    for folder, count in left.items():
        words = {word.lower() for word in folder}
        if words & INSTANCE_WORDS:
            notes.add("instances_ignored", f"{shown(folder)}: {count} files", count)
        elif not words & MASK_WORDS:
            notes.add("folder_ignored", f"{shown(folder) or '.'}: {count} images")
    return samples
