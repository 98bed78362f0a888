"""Image and mask folders: for every image a picture of class ids (grey or palette), named alike; classes.json names the ids."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from snellen.data.content import cores
from snellen.data.decode import FORMATS, file_verdict
from snellen.data.formats.names import IMAGE_WORDS, INSTANCE_WORDS, MASK_WORDS, split_of
from snellen.data.formats.notes import Notes, plain_text
from snellen.data.formats.sample import Reading, Sample
from snellen.data.formats.text import Unreadable, is_utf8, json_of, lines_of
from snellen.data.formats.tree import Parts, images_of, shown, stem

FORMAT = "image and mask folders"
TASKS = ("segmentation",)
OWN = (".json",)

# Folders that hold masks only where they hold pictures: elsewhere they are of other formats.
_MAYBE_MASKS = frozenset(("labels", "annotations", "gtfine", "gt", "ground_truth"))
_ENDS = re.compile(
    r"([_-](masks?|labels?|seg|segmentation|gt|labelids|leftimg8bit|gtfine_labelids|image|img))+$", re.IGNORECASE
)
# Where no list of classes is there, so many masks are looked into for the ids that they hold.
_LOOKED = 2000
_IGNORE = 255
_GREY = ("1", "L", "P", "I", "I;16")

Key = tuple[tuple[str, ...], str]


def detect(root: Path, files: Sequence[Parts]) -> str | None:
    """The format's name where most pictures of a mask folder have an image of their name beside that folder."""
    images, masks, _ = _by_key(files)
    shared = len(images.keys() & masks.keys())
    return FORMAT if shared and shared * 2 >= len(masks) else None


def read_masks(
    root: Path, name: str, files: Sequence[Parts], *, task: str | None = None, only: Parts | None = None
) -> Reading:
    """All images with their masks; an image without one has an empty `mask`."""
    notes = Notes()
    images, masks, instances = _by_key(files)
    for folder, count in instances.items():
        notes.add("instances_ignored", f"{shown(folder)}: {count} files", count)
    samples = []
    for key, found in images.items():
        mask = _one(masks.get(key, []), notes)
        for image in found:
            if not mask:
                notes.add("mask_missing", shown(image))
            samples.append(Sample(root, shown(image), split=split_of(image[:-1]), source=name, mask=mask))
    for key in masks.keys() - images.keys():
        notes.add("mask_without_image", shown(masks[key][0]))
    classes = _listed(root, files, notes) or _seen(root, [sample.mask for sample in samples if sample.mask])
    return Reading(tasks=TASKS, format=FORMAT, samples=samples, classes=classes, notes=notes.listed())


def _one(masks: Sequence[Parts], notes: Notes) -> str:
    """The mask of an image as a path; empty where there is none, or where a table could not hold its name."""
    if not masks:
        return ""
    if len(masks) > 1:
        notes.add("mask_twice", ", ".join(map(shown, masks)))
    if masks[0][-1].lower().endswith((".jpg", ".jpeg")):
        notes.add("mask_lossy", shown(masks[0]))
    if not is_utf8(shown(masks[0])):
        notes.add("name_not_utf8", shown(masks[0]))
        return ""
    return shown(masks[0])


def _by_key(files: Sequence[Parts]) -> tuple[dict[Key, list[Parts]], dict[Key, list[Parts]], dict[Parts, int]]:
    """Images and masks by what they have in common, and the number of instance maps by folder.

    The key is the folders without the one that says image or mask, and the name without its end (_mask and the like).
    """
    images: dict[Key, list[Parts]] = {}
    masks: dict[Key, list[Parts]] = {}
    instances: dict[Parts, int] = {}
    pictures = images_of(files)
    words = {word.lower() for file in pictures for word in file[:-1]}
    # labels/x.png is a mask only beside images/x.jpg.
    of_masks = MASK_WORDS | (_MAYBE_MASKS if words & IMAGE_WORDS and not words & MASK_WORDS else frozenset())
    for file in pictures:
        low = [word.lower() for word in file[:-1]]
        if INSTANCE_WORDS & set(low):
            instances[file[:-1]] = instances.get(file[:-1], 0) + 1
            continue
        is_mask = not of_masks.isdisjoint(low)
        drop = of_masks if is_mask else IMAGE_WORDS
        rest = tuple(word for word, lower in zip(file[:-1], low, strict=True) if lower not in drop)
        name = _ENDS.sub("", stem(file[-1])) or stem(file[-1])
        (masks if is_mask else images).setdefault((rest, name), []).append(file)
    return images, masks, instances


def _listed(root: Path, files: Sequence[Parts], notes: Notes) -> dict[str, str]:
    """id → name from classes.json (id → name, name → id, or a list) or classes.txt (one name a line)."""
    for wanted in ("classes.json", "classes.txt"):
        found = sorted((file for file in files if file[-1].lower() == wanted), key=lambda file: (len(file), file))
        for file in found[:1]:
            try:
                path = root.joinpath(*file)
                names = _ids(json_of(path) if wanted.endswith("json") else lines_of(path))
            except Unreadable as why:
                notes.add("classes_corrupt", f"{shown(file)}: {why}")
                continue
            if not all(map(is_utf8, names.values())):
                notes.add("name_not_utf8", shown(file))
            if names:
                return {key: plain_text(name) for key, name in names.items()}
            notes.add("classes_corrupt", f"{shown(file)}: neither id to name nor a list of names")
    notes.add("classes_missing")
    return {}


def _ids(data: Any) -> dict[str, str]:
    if isinstance(data, dict) and isinstance(data.get("classes"), list | dict):
        data = data["classes"]
    if isinstance(data, list):
        return {str(number): str(name).strip() for number, name in enumerate(data)}
    if not isinstance(data, dict):
        return {}
    if all(str(key).isdecimal() for key in data):
        return {str(int(key)): name if isinstance(name, str) else json.dumps(name) for key, name in data.items()}
    if all(isinstance(number, int) for number in data.values()):
        return {str(number): str(name) for name, number in data.items()}
    return {}


def _seen(root: Path, masks: Sequence[str]) -> Mapping[str, str]:
    """Names for the ids that the masks hold: background for 0, ignore for 255 beside others, else the number."""
    step = max(1, len(masks) // _LOOKED)
    with warnings.catch_warnings(), ThreadPoolExecutor(cores()) as pool:
        warnings.simplefilter("ignore")
        found = set().union(*pool.map(_held, [root / mask for mask in masks[::step]]))
    others = found - {0, _IGNORE}
    special = {0: "background", _IGNORE: "ignore" if others else "foreground"}
    return {str(number): special.get(number, f"class {number}") for number in sorted(found)}


def _held(file: Path) -> set[int]:
    if file_verdict(file) != "ok":
        return set()
    try:
        with PIL.Image.open(file, formats=FORMATS) as image:
            # Colours are no ids: what they mean is not known here.
            return set(map(int, np.unique(np.asarray(image)))) if image.mode in _GREY else set()
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return set()
