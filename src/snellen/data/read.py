"""Read folders and tables of images, with whatever is annotated on them, into one catalog. Nothing is decoded or written."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from snellen.annotations import OBJECT, objects_column
from snellen.catalog import Catalog
from snellen.data.content import contents, sample_ids
from snellen.data.formats.catalogs import is_catalog, read_catalog
from snellen.data.formats.found import SUFFIXES, TASKS, read_source
from snellen.data.formats.notes import Notes, joined, plain_text
from snellen.data.formats.sample import Reading, Sample
from snellen.data.listing import KNOWN
from snellen.values import SnellenError

# A "source" that is different for nearly every image is where it came from, not a group that could dominate.
MOST_SOURCES = 0.5
FEW_SOURCES = 10
# So many samples at a time have their objects packed into Arrow: no second copy of all of them as dicts.
PACKED = 1024

DRAWN = ("detection", "instance", "keypoints")


def read(sources: Sequence[Path], *, group: str | None = None, task: str | None = None) -> Catalog:
    """One catalog of all sources, sorted by source and path; verdicts here are only of files that cannot be read.

    A source is a folder of class folders (below split folders or not), or of annotated images (COCO, labelme, Pascal VOC,
    YOLO, masks, image pairs, a multi-label table: detected, the richest first); a CSV, TSV, Parquet or JSON-lines table
    with the columns path and label, whose paths are relative to it; one COCO file; one data.yaml; or, alone, a catalog that a case
    holds, such as its corrected.parquet. A `metadata.csv` with
    a `path` column in or above a folder adds split, group, source and metadata. `group` names the column that holds what
    must stay on one side of a split (default: `group`). Columns that are not ours become `meta_<name>`. `task` asks
    for one task where the annotations serve several. What was met is told by `about`: task, format, classes, keypoints,
    notes. Raises SnellenError where nothing can be used, or where there are fewer than two classes to classify.
    """
    _check_task(task)
    roots = _roots(sources)
    if written := [root for root in roots if is_catalog(root)]:
        return _written(written[0], list(roots), group, task)
    readings = {root: read_source(root, name, task) for root, name in roots.items()}
    task = _common(readings, task)
    samples = [sample for reading in readings.values() for sample in reading.samples]
    samples = sorted(_real_sources(samples), key=lambda sample: (sample.source, sample.path, str(sample.root)))
    _check_group(samples, group)
    if task == "classification":
        _check_classes(samples, roots)
    catalog = Catalog.of_rows(_rows(samples, group or "group", task))
    return catalog.with_columns(_annotated(samples, task)).with_about(_facts(readings.values(), task))


def _written(file: Path, sources: Sequence[Path], group: str | None, task: str | None) -> Catalog:
    """A catalog of a case, which holds everything of its samples and is not joined with others."""
    if len(sources) > 1:
        raise SnellenError(
            f"{file} is the catalog of a case and is read alone; leave {len(sources) - 1} other sources out"
        )
    catalog = read_catalog(file, task=task, group=group and group.lower())
    if catalog.task == "classification" and len(catalog.about("classes")) < 2:
        raise SnellenError(
            f"{file} holds images of {len(catalog.about('classes'))} classes; a classifier needs two or more"
        )
    return catalog


def ignored(catalog: Catalog) -> dict[str, int]:
    """Number of files that `read` left out, by suffix or reason."""
    return dict(catalog.about("ignored") or {})


def _check_task(task: str | None) -> None:
    if task is not None and task not in TASKS:
        near = difflib.get_close_matches(task, TASKS, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(TASKS)}"
        raise SnellenError(f"no task is named {task!r}; {advice}")


def _roots(sources: Sequence[Path]) -> dict[Path, str]:
    """Absolute path of every source with a short name that is its own."""
    if not sources:
        raise SnellenError("no data was given; give a folder of class folders, or a CSV or Parquet file")
    paths = [Path(os.path.abspath(source)) for source in sources]  # noqa: PTH100 (links keep their name)
    for path in paths:
        _check_exists(path)
        if any(other != path and path.is_relative_to(other) for other in paths) or paths.count(path) > 1:
            raise SnellenError(f"{path} is given twice (or lies in another folder that is given); give it once")
    names = [path.name if path.is_dir() else path.stem for path in paths]
    return {
        path: name if names.count(name) == 1 else f"{path.parent.name}/{name}"
        for path, name in zip(paths, names, strict=True)
    }


def _check_exists(path: Path) -> None:
    if path.is_dir() or (path.is_file() and path.suffix.lower() in SUFFIXES):
        return
    if path.exists():
        raise SnellenError(
            f"{path} is neither a folder nor a table (.csv, .tsv, .parquet, .jsonl), a COCO .json or a data.yaml file; "
            "give the folder of class folders"
        )
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    advice = f"; did you mean {str(path.with_name(near[0]))!r}?" if near else "; check the path"
    raise SnellenError(f"{path} does not exist{advice}")


def _common(readings: Mapping[Path, Reading], task: str | None) -> str:
    """The task that all sources serve: the one asked for, else the richest."""
    if task is not None:
        return task
    first, *others = readings.values()
    for offered in first.tasks:
        if all(offered in other.tasks for other in others):
            return offered
    given = "; ".join(f"{root} is for {reading.tasks[0]} ({reading.format})" for root, reading in readings.items())
    raise SnellenError(f"the sources do not serve one task: {given}. Give those of one task")


def _facts(readings: Iterable[Reading], task: str) -> dict[str, Any]:
    """What is told of the whole catalog."""
    found = list(readings)
    notes = Notes()
    left: Counter[str] = Counter()
    for reading in found:
        left.update(reading.ignored)
    return {
        "ignored": dict(sorted(left.items())),
        "task": task,
        "format": " + ".join(dict.fromkeys(reading.format for reading in found)),
        "classes": _classes(found, task, notes),
        "keypoints": _keypoints(found, notes),
        "notes": joined([*(reading.notes for reading in found), notes.listed()]),
    }


def _classes(readings: Sequence[Reading], task: str, notes: Notes) -> list[str] | dict[str, str]:
    """Names in order of appearance (of classification sorted), or id → name where pixels hold ids."""
    if task == "classification":
        targets = {sample.target for reading in readings for sample in reading.samples}
        return sorted(plain_text(target) for target in targets - {""})
    if not any(isinstance(reading.classes, Mapping) for reading in readings):
        return list(dict.fromkeys(name for reading in readings for name in reading.classes))
    names: dict[str, str] = {}
    for reading in readings:
        for key, name in reading.classes.items() if isinstance(reading.classes, Mapping) else ():
            if names.setdefault(key, name) != name:
                notes.add("classes_differ", f"{key}: {names[key]}, {name}")
    return names


def _keypoints(readings: Sequence[Reading], notes: Notes) -> list[str]:
    lists = [list(reading.keypoints) for reading in readings if reading.keypoints]
    if any(names != lists[0] for names in lists):
        notes.add("keypoints_differ")
    return lists[0] if lists else []


def _real_sources(samples: list[Sample]) -> list[Sample]:
    """Take the source from the tables' `source` (or `domain`) column where it groups the samples."""
    for column in ("source", "domain"):
        given = [(sample.table or {}).get(column, "") for sample in samples]
        kinds = len(set(given) - {""})
        if 0 < kinds <= max(FEW_SOURCES, MOST_SOURCES * len(samples)):
            return [replace(sample, source=name or sample.source) for sample, name in zip(samples, given, strict=True)]
    return samples


def _check_group(samples: Iterable[Sample], group: str | None) -> None:
    if group is None:
        return
    columns = {name for sample in samples for name in (sample.table or {})}
    if group.lower() not in columns:
        near = difflib.get_close_matches(group.lower(), sorted(columns), n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"columns there are: {', '.join(sorted(columns)) or 'none'}"
        raise SnellenError(f"no table of the data has the column {group!r} that data.group names; {advice}")


def _check_classes(samples: Sequence[Sample], roots: Mapping[Path, str]) -> None:
    classes = sorted({sample.target for sample in samples} - {""})
    if len(classes) < 2:
        where = ", ".join(str(root) for root in roots)
        there = f"only the class {classes[0]!r}" if classes else "no labelled image"
        raise SnellenError(
            f"{where} holds {there} ({len(samples)} images); a classifier needs two or more. "
            "Give the folder above, or put each class in a folder of its name"
        )


def _rows(samples: Sequence[Sample], group: str, task: str) -> list[dict[str, Any]]:
    found = contents([sample.root / sample.path for sample in samples])
    ids = sample_ids([value for value, _ in found])
    return [
        _row(sample, identity, *state, group.lower(), task)
        for sample, identity, state in zip(samples, ids, found, strict=True)
    ]


def _row(sample: Sample, identity: str, content: str, verdict: str, group: str, task: str) -> dict[str, Any]:
    table = sample.table or {}
    texts = (sample.path, str(sample.root), sample.target if task == "classification" else "", sample.source)
    path, root, target, source = map(plain_text, texts)
    if texts != (path, root, target, source):
        verdict = "name is not UTF-8"
    elif not target and task == "classification":
        verdict = "no label"
    elif verdict == "ok":
        verdict = sample.verdict or verdict
    meta = {f"meta_{name}": value for name, value in table.items() if name not in KNOWN and name}
    return {
        **meta,
        "id": identity,
        "content": content,
        "path": path,
        "root": root,
        "source": source,
        "target": target,
        "split": sample.split,
        "group": table.get(group, ""),
        "annotator": table.get("annotator", ""),
        "verdict": verdict,
    }


def _annotated(samples: Sequence[Sample], task: str) -> dict[str, Any]:
    """The columns of the task: objects, mask, pair or labels."""
    if task in DRAWN:
        starts = range(0, len(samples), PACKED)
        parts = [objects_column([sample.objects for sample in samples[at : at + PACKED]]) for at in starts]
        return {"objects": pa.chunked_array(parts, type=pa.list_(OBJECT))}
    if task == "segmentation":
        return {"mask": pa.array([sample.mask for sample in samples], type=pa.string())}
    if task == "restoration":
        return {"pair": pa.array([sample.pair for sample in samples], type=pa.string())}
    if task == "multilabel":
        return {"labels": pa.array([list(sample.labels) for sample in samples], type=pa.list_(pa.string()))}
    return {}
