"""Label Studio: tasks with annotations, and the labelling setup that they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as Tree

import numpy as np

from snellen import store
from snellen.catalog import Catalog
from snellen.data.exports._outline import outline
from snellen.data.exports._select import Drawn, Exported, Sample, Selection, number, select

TASKS = ("classification", "multilabel", "detection", "instance", "keypoints")
# Label Studio's local file storage serves what lies below its document root at this address.
SERVED = "/data/local-files/?d="


def labelstudio(catalog: Catalog, folder: Path) -> Exported:
    """`tasks.json` to import and `config.xml` for the labelling setup; coordinates are per cent of the image's sides.

    Images are addressed in Label Studio's local file storage: let its document root be the root of the data.
    Source: Label Studio, Task format; Tags RectangleLabels, PolygonLabels, KeyPointLabels, Choices.
    """
    chosen = select(catalog, folder, name="labelstudio", tasks=TASKS)
    whole = _whole(catalog) if chosen.task in ("classification", "multilabel") else None
    tasks = [_task(sample, whole[sample.row] if whole else None, chosen) for sample in chosen.samples]
    classes = sorted({name for names in whole for name in names}) if whole else list(chosen.classes)
    files = [Path(folder) / "tasks.json", Path(folder) / "config.xml"]
    store.write_text(files[0], json.dumps(tasks, ensure_ascii=False, allow_nan=False))
    store.write_text(files[1], _setup(chosen, classes))
    return chosen.done(files)


def _whole(catalog: Catalog) -> list[list[str]]:
    """Labels of every whole image."""
    if catalog.task == "multilabel":
        return [list(names or ()) for names in catalog.table.column("labels").to_pylist()]
    return [[name] if name else [] for name in catalog.column("target").tolist()]


def _task(sample: Sample, names: list[str] | None, chosen: Selection) -> dict[str, Any]:
    result = list(_choices(names) if names is not None else _regions(sample, chosen))
    data = {"image": SERVED + quote(sample.path), "path": sample.path, "split": sample.split, "id": sample.id}
    return {"data": data, "annotations": [{"result": result}]}


def _choices(names: list[str]) -> Iterator[dict[str, Any]]:
    if names:
        yield {"id": "0", "type": "choices", "from_name": "label", "to_name": "image", "value": {"choices": names}}


def _regions(sample: Sample, chosen: Selection) -> Iterator[dict[str, Any]]:
    for place, item in enumerate(sample.objects):
        if chosen.task == "instance":
            points = [[number(value) for value in point] for point in _percent(outline(item), sample)]
            yield _region(str(place), "polygonlabels", sample, {"points": points, "polygonlabels": [item.label]})
        else:
            yield _region(str(place), "rectanglelabels", sample, _rectangle(item, sample))
        for number_, (x, y, seen) in enumerate(item.points if chosen.task == "keypoints" else ()):
            name = chosen.points[number_] if number_ < len(chosen.points) else str(number_)
            if seen > 0:
                left, top = _percent(np.asarray([x, y]), sample)
                value = {"x": number(left), "y": number(top), "width": 0.5, "keypointlabels": [name]}
                yield {**_region(f"{place}-{number_}", "keypointlabels", sample, value), "parentID": str(place)}


def _rectangle(item: Drawn, sample: Sample) -> dict[str, Any]:
    left, top, right, bottom = _percent(np.asarray(item.box).reshape(2, 2), sample).reshape(-1)
    sides = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    return {**{key: number(value) for key, value in sides.items()}, "rotation": 0, "rectanglelabels": [item.label]}


def _percent(points: np.ndarray, sample: Sample) -> np.ndarray:
    return np.asarray(100 * points / np.asarray([sample.width, sample.height], dtype=float))


def _region(name: str, kind: str, sample: Sample, value: dict[str, Any]) -> dict[str, Any]:
    size = {"original_width": sample.width, "original_height": sample.height, "image_rotation": 0}
    source = "points" if kind == "keypointlabels" else "label"
    return {"id": name, "type": kind, "from_name": source, "to_name": "image", **size, "value": value}


def _setup(chosen: Selection, classes: list[str]) -> str:
    view = Tree.Element("View")
    Tree.SubElement(view, "Image", name="image", value="$image")
    if chosen.task in ("classification", "multilabel"):
        several = "multiple" if chosen.task == "multilabel" else "single"
        place = Tree.SubElement(view, "Choices", name="label", toName="image", choice=several)
        tag, names = "Choice", [(place, name) for name in classes]
    else:
        kind = "PolygonLabels" if chosen.task == "instance" else "RectangleLabels"
        place = Tree.SubElement(view, kind, name="label", toName="image")
        tag, names = "Label", [(place, name) for name in classes]
        if chosen.task == "keypoints":
            points = Tree.SubElement(view, "KeyPointLabels", name="points", toName="image")
            names += [(points, name) for name in chosen.points]
    for parent, name in names:
        Tree.SubElement(parent, tag, value=name)
    Tree.indent(view)
    return Tree.tostring(view, encoding="unicode") + "\n"
