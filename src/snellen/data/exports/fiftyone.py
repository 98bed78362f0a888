"""FiftyOne: labels.json of FiftyOneImageClassificationDataset and FiftyOneImageDetectionDataset, images by data.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from snellen import store
from snellen.catalog import Catalog
from snellen.data.exports._select import Drawn, Exported, Sample, number, select

TASKS = ("classification", "detection")


def fiftyone(catalog: Catalog, folder: Path) -> Exported:
    """`data.json` (name → image file, where it lies now) and `labels.json` (name → class, or boxes as shares of the sides).

    Names are the catalog's ids: they hold no dot, which the importer would take for a suffix. Import with
    `Dataset.from_dir(dataset_dir=…, data_path="data.json", labels_path="labels.json", dataset_type=…)`.
    Source: FiftyOne, Supported import formats.
    """
    chosen = select(catalog, folder, name="fiftyone", tasks=TASKS)
    labels: dict[str, Any]
    if chosen.task == "classification":
        targets = catalog.column("target")
        places = {name: place for place, name in enumerate(chosen.classes)}
        labels = {sample.id: places.get(targets[sample.row]) for sample in chosen.samples}
    else:
        labels = {
            sample.id: [_detection(item, sample, chosen.classes) for item in sample.objects]
            for sample in chosen.samples
        }
    images = {sample.id: str(Path(sample.root) / sample.path) for sample in chosen.samples}
    files = [Path(folder) / "data.json", Path(folder) / "labels.json"]
    for file, value in zip(files, (images, {"classes": list(chosen.classes), "labels": labels}), strict=True):
        store.write_text(file, json.dumps(value, ensure_ascii=False, allow_nan=False))
    return chosen.done(files)


def _detection(item: Drawn, sample: Sample, classes: tuple[str, ...]) -> dict[str, Any]:
    x0, y0, x1, y1 = item.box
    shares = (x0 / sample.width, y0 / sample.height, (x1 - x0) / sample.width, (y1 - y0) / sample.height)
    return {"label": classes.index(item.label), "bounding_box": [number(value, 8) for value in shares]}
