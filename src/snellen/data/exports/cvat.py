"""CVAT for images 1.1: one XML file with boxes, polygons, skeletons or tags of all images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as Tree

import numpy as np

from snellen import store
from snellen.catalog import Catalog
from snellen.data.exports._outline import outline
from snellen.data.exports._select import Drawn, Exported, Sample, Selection, number, select

TASKS = ("classification", "multilabel", "detection", "instance", "keypoints")
MANUAL = {"source": "manual"}
SHAPE = {**MANUAL, "occluded": "0", "z_order": "0"}


def cvat(catalog: Catalog, folder: Path) -> Exported:
    """`annotations.xml`; the class of a whole image is a tag; an object with keypoints is a box and a skeleton of one group.

    Source: CVAT, XML annotation format, version 1.1.
    """
    chosen = select(catalog, folder, name="cvat", tasks=TASKS)
    tags = _tags(catalog)
    root = Tree.Element("annotations")
    Tree.SubElement(root, "version").text = "1.1"
    _meta(root, chosen, sorted({name for names in tags for name in names}) or list(chosen.classes))
    for place, sample in enumerate(chosen.samples):
        size = {"width": str(sample.width), "height": str(sample.height)} if sample.width else {}
        split = {"subset": sample.split} if sample.split else {}
        image = Tree.SubElement(root, "image", {"id": str(place), "name": sample.path, **split, **size})
        for name in tags[sample.row] if tags else ():
            Tree.SubElement(image, "tag", {"label": name, **MANUAL})
        _draw(image, sample, chosen)
    Tree.indent(root)
    file = Path(folder) / "annotations.xml"
    store.write_text(file, '<?xml version="1.0" encoding="utf-8"?>\n' + Tree.tostring(root, encoding="unicode") + "\n")
    return chosen.done([file])


def _tags(catalog: Catalog) -> list[list[str]]:
    if catalog.task == "multilabel":
        return [list(names or ()) for names in catalog.table.column("labels").to_pylist()]
    if catalog.task == "classification":
        return [[name] if name else [] for name in catalog.column("target").tolist()]
    return []


def _meta(root: Tree.Element, chosen: Selection, classes: Iterable[str]) -> None:
    task = Tree.SubElement(Tree.SubElement(root, "meta"), "task")
    Tree.SubElement(task, "size").text = str(len(chosen.samples))
    Tree.SubElement(task, "mode").text = "annotation"
    labels = Tree.SubElement(task, "labels")
    for name in classes:
        label = Tree.SubElement(labels, "label")
        Tree.SubElement(label, "name").text = name


def _draw(image: Tree.Element, sample: Sample, chosen: Selection) -> None:
    for group, item in enumerate(sample.objects, start=1):
        if chosen.task == "instance":
            Tree.SubElement(image, "polygon", {"label": item.label, **SHAPE, "points": _text(outline(item))})
            continue
        sides = dict(zip(("xtl", "ytl", "xbr", "ybr"), (str(number(value)) for value in item.box), strict=True))
        together = {"group_id": str(group)} if chosen.task == "keypoints" else {}
        Tree.SubElement(image, "box", {"label": item.label, **SHAPE, **sides, **together})
        if chosen.task == "keypoints":
            skeleton = Tree.SubElement(image, "skeleton", {"label": item.label, **MANUAL, "z_order": "0", **together})
            _skeleton(skeleton, item, chosen)


def _skeleton(skeleton: Tree.Element, item: Drawn, chosen: Selection) -> None:
    """COCO's visibility: 0 is not labelled (outside), 1 is hidden (occluded), 2 is seen."""
    for place, (x, y, seen) in enumerate(item.points):
        name = chosen.points[place] if place < len(chosen.points) else str(place)
        flags = {"outside": str(int(seen == 0)), "occluded": str(int(seen == 1))}
        Tree.SubElement(skeleton, "points", {"label": name, **MANUAL, **flags, "points": _text(np.asarray([[x, y]]))})


def _text(points: np.ndarray) -> str:
    return ";".join(f"{number(x)},{number(y)}" for x, y in points)
