"""COCO JSON: boxes, outlines, run lengths and keypoints, one file for every split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from snellen import store
from snellen.catalog import Catalog
from snellen.data.exports._select import Drawn, Exported, Sample, Selection, number, select

TASKS = ("detection", "instance", "keypoints")


def coco(catalog: Catalog, folder: Path) -> Exported:
    """`annotations/instances_<split>.json` (`instances.json` where nothing is split); categories are numbered from 1.

    Boxes are x, y, width, height. Source: COCO, Data format, https://cocodataset.org/#format-data.
    """
    chosen = select(catalog, folder, name="coco", tasks=TASKS, crowds=True)
    files = []
    for split, samples in chosen.by_split().items():
        file = Path(folder) / "annotations" / (f"instances_{split}.json" if split else "instances.json")
        store.write_text(file, json.dumps(_document(chosen, samples), ensure_ascii=False, allow_nan=False))
        files.append(file)
    return chosen.done(files)


def _document(chosen: Selection, samples: list[Sample]) -> dict[str, Any]:
    numbers = {name: place for place, name in enumerate(chosen.classes, start=1)}
    images = [
        {"id": place, "file_name": sample.path, "width": sample.width, "height": sample.height}
        for place, sample in enumerate(samples, start=1)
    ]
    drawn = [(image["id"], item) for image, sample in zip(images, samples, strict=True) for item in sample.objects]
    return {
        "info": {"description": "Labels exported by Snellen"},
        "licenses": [],
        "images": images,
        "categories": [_category(name, place, chosen) for name, place in numbers.items()],
        "annotations": [
            {"id": place, "image_id": image, "category_id": numbers[item.label], **_annotation(item)}
            for place, (image, item) in enumerate(drawn, start=1)
        ],
    }


def _category(name: str, place: int, chosen: Selection) -> dict[str, Any]:
    points = {"keypoints": list(chosen.points), "skeleton": []} if chosen.task == "keypoints" else {}
    return {"id": place, "name": name, "supercategory": "", **points}


def _annotation(item: Drawn) -> dict[str, Any]:
    x0, y0, x1, y1 = item.box
    found: dict[str, Any] = {
        "bbox": [number(value) for value in (x0, y0, x1 - x0, y1 - y0)],
        "area": number(item.area),
        "iscrowd": int(item.crowd),
    }
    if item.rle:
        height, width, counts = item.rle.split(" ", 2)
        found["segmentation"] = {"size": [int(height), int(width)], "counts": counts}
    elif item.outlines:
        found["segmentation"] = [[number(value) for value in line.reshape(-1)] for line in item.outlines]
    if len(item.points):
        found["keypoints"] = [number(value) for value in item.points.reshape(-1)]
        found["num_keypoints"] = int((item.points[:, 2] > 0).sum())
    return found
