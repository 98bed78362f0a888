"""YOLO (Ultralytics): one text file for every image, lists of images, and data.yaml."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
import yaml

from snellen import store
from snellen.catalog import SPLITS, Catalog
from snellen.data.exports._outline import outline
from snellen.data.exports._select import Drawn, Exported, Sample, Selection, number, select, within_images
from snellen.values import SnellenError

TASKS = ("detection", "instance", "keypoints")


def yolo(catalog: Catalog, folder: Path) -> Exported:
    """`labels/….txt`, `<split>.txt` with the images' paths, `data.yaml`: detect, segment or pose by the task.

    Images are looked for beside the labels, in `images/`: put or link them there (a path that has a folder `images`
    keeps it). What reaches beyond the image is cut to it, since the format holds shares of the image's sides only; an
    image without a split is listed under train. Source: Ultralytics, Datasets overview, detect, segment, pose.
    """
    changed: Counter[str] = Counter()
    chosen = within_images(select(catalog, folder, name="yolo", tasks=TASKS), changed)
    places = {sample.id: _places(sample.path) for sample in chosen.samples}
    _check_names([label for _, label in places.values()])
    files, lists = [], {split: [] for split in SPLITS}  # type: tuple[list[Path], dict[str, list[str]]]
    for sample in chosen.samples:
        image, label = places[sample.id]
        lists[sample.split or "train"].append(f"./{image}\n")
        changed["sample: no split, listed under train"] += not sample.split
        files.append(Path(folder) / label)
        store.write_text(files[-1], _lines(chosen, sample))
    files += _index(chosen, Path(folder), lists)
    return chosen.done(files, changed=changed)


def _places(path: str) -> tuple[str, str]:
    """Where the image is looked for and where its labels are, by the rule that the trainer has."""
    parts = PurePosixPath(path).parts
    parts = parts if "images" in parts[:-1] else ("images", *parts)
    last = len(parts) - 2 - parts[:-1][::-1].index("images")
    label = PurePosixPath(*parts[:last], "labels", *parts[last + 1 :]).with_suffix(".txt")
    return str(PurePosixPath(*parts)), str(label)


def _check_names(labels: list[str]) -> None:
    twice = [name for name, count in Counter(labels).items() if count > 1]
    if twice:
        raise SnellenError(
            f"{len(twice)} label files would be of two images that differ in the suffix only ({twice[0]} for one); rename "
            "one image of each, or export to coco"
        )


def _lines(chosen: Selection, sample: Sample) -> str:
    lines = []
    for item in sample.objects:
        values = [number(value, 8) for value in _shares(chosen, sample, item)]
        lines.append(" ".join(map(str, (chosen.classes.index(item.label), *values))) + "\n")
    return "".join(lines)


def _shares(chosen: Selection, sample: Sample, item: Drawn) -> list[float]:
    """What stands behind the class, as shares of width and height."""
    side = np.asarray([sample.width, sample.height], dtype=float)
    if chosen.task == "instance":
        return list(map(float, (np.clip(outline(item), 0, side) / side).reshape(-1)))
    box = np.asarray(item.box).reshape(2, 2) / side
    found = [*box.mean(axis=0).tolist(), *(box[1] - box[0]).tolist()]
    if chosen.task == "keypoints":
        found += np.column_stack([np.clip(item.points[:, :2], 0, side) / side, item.points[:, 2]]).reshape(-1).tolist()
    return found


def _index(chosen: Selection, folder: Path, lists: dict[str, list[str]]) -> list[Path]:
    files = []
    told: dict[str, object] = {"path": "."}
    for split, lines in lists.items():
        if lines:
            files.append(folder / f"{split}.txt")
            store.write_text(files[-1], "".join(lines))
            told[split] = f"{split}.txt"
    told["names"] = dict(enumerate(chosen.classes))
    if chosen.task == "keypoints":
        told["kpt_shape"] = [len(chosen.points) or max(len(o.points) for s in chosen.samples for o in s.objects), 3]
    files.append(folder / "data.yaml")
    store.write_text(files[-1], yaml.safe_dump(told, sort_keys=False, allow_unicode=True))
    return files
