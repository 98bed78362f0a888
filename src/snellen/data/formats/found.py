"""Which format a source has: the richest annotation that is there is read, the others are told."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from snellen.data.formats import coco, images, labelme, masks, multilabel, pairs, voc, yolo
from snellen.data.formats.class_folders import read_class_folders
from snellen.data.formats.metadata import with_metadata
from snellen.data.formats.notes import Notes, joined
from snellen.data.formats.sample import Reading
from snellen.data.formats.tables import TABLES, read_table, table_of
from snellen.data.formats.text import head
from snellen.data.formats.tree import Parts, Tree, tree_of
from snellen.data.walk import is_image_name
from snellen.values import SnellenError

TASKS = ("classification", "multilabel", "detection", "instance", "keypoints", "segmentation", "restoration", "images")
SUFFIXES = TABLES | {".json", ".yaml", ".yml"}

# The richest first. A format's file holds FORMAT, TASKS, OWN (suffixes of its files), `detect` and `read_<name>`.
FORMATS: tuple[ModuleType, ...] = (coco, labelme, voc, yolo, masks, pairs, multilabel, images)


def read_source(path: Path, name: str, task: str | None) -> Reading:
    """Read one source by what it is; `task`: what is asked for. Raises SnellenError where nothing of it can be used."""
    if path.is_dir():
        reading = _folder(path, name, task)
    elif path.suffix.lower() in TABLES:
        reading = _table(path, name, task)
    else:
        reading = _file(path, name, task)
    if task is not None and task not in reading.tasks:
        raise SnellenError(
            f"{path} holds {reading.format} for {' or '.join(reading.tasks)}, and the task {task} was asked for; "
            f"ask for {reading.tasks[0]}, or give data that is annotated for {task}"
        )
    return reading


def _read(format_: ModuleType, root: Path, name: str, tree: Tree, task: str | None, only: Parts | None) -> Reading:
    """Read one format, join metadata.csv, and count the files that are of no use to it."""
    function = getattr(format_, f"read_{format_.__name__.rpartition('.')[2]}")
    reading: Reading = function(root, name, tree.files, task=task, only=only)
    left = Counter(tree.ignored)
    for file in tree.files:
        suffix = os.path.splitext(file[-1])[1].lower()  # noqa: PTH122
        if not is_image_name(file[-1]) and suffix not in format_.OWN and file != ("metadata.csv",):
            left[suffix or "no suffix"] += 1
    notes = Notes()
    samples = with_metadata(reading.samples, root, tree.files, notes)
    return replace(reading, samples=samples, notes=joined([reading.notes, notes.listed()]), ignored=left)


def _folder(root: Path, name: str, task: str | None) -> Reading:
    if task == "classification":
        return read_class_folders(root, name)
    above = pairs.folder_above(root)
    if above is not None and task in (None, "restoration"):
        return _read(pairs, above, name, tree_of(above), "restoration", (root.name,))
    tree = tree_of(root)
    there, unread = _detected(root, tree, task)
    asked = [format_ for format_ in there if task is None or task in format_.TASKS]
    if task == "restoration" and not asked:
        asked = [pairs]  # Asked for, it also takes words for roles that could be classes.
    if task == "images":
        asked = [images]
    failed: list[Reading] = []
    for format_ in asked:
        reading = _read(format_, root, name, tree, task, None)
        if reading.samples:
            others = [other for other in there if other is not format_]
            return _told(reading, others, failed, unread)
        failed.append(reading)
    if failed:
        raise SnellenError(_why(root, failed))
    if task is None:
        return _class_folders(root, name, unread)
    formats = [format_.FORMAT for format_ in FORMATS if task in format_.TASKS]
    held = ", ".join(format_.FORMAT for format_ in there) or "none that is known"
    raise SnellenError(
        f"{root} holds no annotation for the task {task} (expected {' or '.join(formats)}; found {held}); "
        "give such a folder, or leave the task out"
    )


def _detected(root: Path, tree: Tree, task: str | None) -> tuple[list[ModuleType], list[str]]:
    """The formats that are there, and why others cannot be read. Raises SnellenError for one that was asked for."""
    there: list[ModuleType] = []
    unread: list[str] = []
    for format_ in FORMATS:
        try:
            if format_.detect(root, tree.files):
                there.append(format_)
        except SnellenError as why:
            if task in format_.TASKS:
                raise
            unread.append(str(why).removeprefix(f"{root}{os.sep}"))
    return there, unread


def _class_folders(root: Path, name: str, unread: Sequence[str]) -> Reading:
    try:
        return _told(read_class_folders(root, name), (), (), unread)
    except SnellenError as error:
        # The folder may have its labels in a table that cannot be read.
        if not unread or unread[0] in str(error):
            raise
        raise SnellenError(f"{error}. What it has cannot be read: {unread[0]}") from None


def _told(reading: Reading, others: Sequence[ModuleType], failed: Sequence[Reading], unread: Sequence[str]) -> Reading:
    """The reading with notes on the formats that are there too, and on tables that cannot be read."""
    notes = Notes()
    for why in unread:
        notes.add("file_corrupt", why)
    tried = {bad.format for bad in failed}
    for other in others:
        if other.FORMAT not in tried:
            notes.add("format_ignored", other.FORMAT)
    return replace(reading, notes=joined([*(bad.notes for bad in failed), reading.notes, notes.listed()]))


def _why(root: Path, failed: Sequence[Reading]) -> str:
    notes = joined(reading.notes for reading in failed)
    said = " ".join(f"{note['text']} ({'; '.join(note['examples'][:2]) or note['count']})" for note in notes[:4])
    formats = " and ".join(reading.format for reading in failed)
    return (
        f"{root} looks like {formats}, but not one annotated image of it can be used. {said or 'No image was found.'} "
        "Mend or fetch these files, or ask for another task"
    )


def _table(file: Path, name: str, task: str | None) -> Reading:
    notes = Notes()
    table = table_of(file, notes)
    several = multilabel.read_labels(table, name, asked=task == "multilabel") if task != "classification" else None
    if several is None:
        return read_table(table, name, notes)
    return replace(several, notes=joined([several.notes, notes.listed()]))


def _file(file: Path, name: str, task: str | None) -> Reading:
    """One COCO or labelme file, or one data.yaml: the images lie beside or one folder above, or where `path` says."""
    if file.suffix.lower() in (".yaml", ".yml"):
        return _one(yolo, file, name, task, [yolo.folder_of(file), file.parent])
    format_ = labelme if labelme.detect(file.parent, [(file.name,)]) else coco
    if format_ is coco and coco.detect(file.parent, [(file.name,)]) is None and head(file).lstrip()[:1] not in b"{[":
        raise SnellenError(f"{file} is no JSON file; give a COCO file, or the folder of images")
    return _one(format_, file, name, task, [file.parent, file.parent.parent])


def _one(format_: ModuleType, file: Path, name: str, task: str | None, roots: Sequence[Path]) -> Reading:
    failed = []
    for root in dict.fromkeys(roots):
        only = file.relative_to(root).parts if file.is_relative_to(root) else None
        reading = _read(format_, root, name, tree_of(root), task, only if only else file.parts)
        if reading.samples:
            return reading
        failed.append(reading)
    raise SnellenError(_why(file, failed[:1]))
