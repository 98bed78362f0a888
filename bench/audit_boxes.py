"""Boxes and keypoints: what the audit finds of planted faults, kind by kind, and what it flags in clean sets.

    python bench/audit_boxes.py DATA_FOLDER [DATA_FOLDER …] [--half 0|1] [--peer-python PYTHON]

A folder holds COCO annotations (annotations/*.json, or *.json beside faults.json), images/<split>/ and faults.json (a clean set
has none). Thresholds were chosen on the faults in even places of their kind's list (half 0); half 1 holds those in odd
places. What has no fault is dealt to the halves by turns. "found": planted ones that the kind's own rule flags, judged by the
annotation's id, a missing box by an overlap of 0.5 with the removed one; "any": flagged by some rule; "precision": of what the
rule flags in this half, the share that has this fault; "faulty": the share that has any planted fault. A shifted or oversize
box that reaches out of its image counts neither way as such. "misplaced_box": shifted, oversize or undersize, whichever of the three
rules names it. With an interpreter that has cleanlab, its ObjectLab is scored from the same detections; it does not tell these
three apart. Copies of images that
were leaked into another split hold copies of faults and count for nothing. Only this script reads faults.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _object_peer import asked
from snellen import store
from snellen.annotations import objects_column
from snellen.catalog import Catalog
from snellen.data.boxes import overlaps
from snellen.data.content import contents
from snellen.data.duplicates import near_clusters
from snellen.data.pixels import open_pixels
from snellen.examine import audit
from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.survey import stored_size
from snellen.train.machine import Setting
from snellen.train.measure_objects import measure_objects
from snellen.values import Finding

FAULTS = "faults.json"
RULES = {
    "out_of_image_box": "boxes_outside", "zero_area_box": "zero_area_boxes", "duplicate_box": "duplicate_boxes",
    "shifted_box": "shifted_boxes", "oversize_box": "oversize_boxes", "undersize_box": "undersize_boxes",
    "missing_box": "missing_boxes", "spurious_box": "spurious_boxes", "wrong_class": "wrong_class_boxes",
    "left_right_swapped": "swapped_keypoints", "point_far_off": "stray_keypoints",
    "all_points_shifted_25px": "shifted_keypoints",
}  # fmt: skip
# Kind -> kinds whose boxes may be flagged with it without being wrong: what was moved or enlarged may reach out of its image.
LENIENT = {"out_of_image_box": ("shifted_box", "oversize_box")}
# Kinds that are scored together as well.
TOGETHER = {"misplaced_box": ("shifted_box", "oversize_box", "undersize_box")}
OF_PEER = ("misplaced_box", "missing_box", "wrong_class", "clean")
HINTS = ("box_sizes", "keypoints_outside")
SAME = 0.5


@dataclass(frozen=True, slots=True)
class Flag:
    """One object that a rule names: its key, or the place of a missing one."""

    rule: str
    image: str
    key: str
    box: tuple[float, ...]


def main() -> None:
    """One JSON line for every row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--half", type=int, choices=(0, 1), help="score one half only (default: both, apart)")
    parser.add_argument("--peer-python", default="", help="an interpreter that has cleanlab")
    given = parser.parse_args()
    for folder in given.data:
        catalog, seconds = measured(folder)
        told = {"set": _named(folder), "images": len(catalog), "seconds": round(seconds, 1)}
        answers = {"snellen": flagged(catalog)}
        if given.peer_python:
            answers["ObjectLab"] = [Flag(*item) for item in asked(given.peer_python, catalog)]
        for half in (0, 1) if given.half is None else (given.half,):
            for tool, flags in answers.items():
                for row in scored(folder, half, flags, {**told, "tool": tool}):
                    if tool == "snellen" or row["kind"] in OF_PEER:
                        print(json.dumps(row), flush=True)


def flagged(catalog: Catalog) -> list[Flag]:
    """What our rules flag in a measured catalog."""
    findings = [item for item in audit(catalog) if item.rule in (*RULES.values(), *HINTS)]
    unseen = [item.rule for item in findings if not item.looked]
    assert not unseen, f"rules without their measurement: {unseen}"
    return [flag for finding in findings for flag in _flags(catalog, finding)]


def measured(folder: Path) -> tuple[Catalog, float]:
    """The catalog of a folder as the audit measures it, and the seconds that looking at the objects took."""
    catalog = catalog_of(folder)
    size = stored_size(catalog)
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as cache:
        catalog, pixels = open_pixels(catalog, size=size, cache=Path(cache))
        catalog = catalog.with_columns({"near": near_clusters(catalog)})
        began = time.perf_counter()
        model = Setting().prepare(TASKS.pick("classification")().model(Recipe(), ("a", "b")))
        catalog = measure_objects(catalog, pixels, model, Setting(), size=size)
        return catalog, time.perf_counter() - began


def _named(folder: Path) -> str:
    return folder.name if (folder / "annotations").is_dir() else f"{folder.parent.name}/{folder.name}"


def _flags(catalog: Catalog, finding: Finding) -> Iterator[Flag]:
    paths = dict(zip(catalog.ids, catalog.table.column("path").to_pylist(), strict=True))
    for item in finding.evidence["objects"]:
        yield Flag(finding.rule, str(paths[item["sample"]]), str(item["key"]), tuple(item.get("box", ())))


def catalog_of(folder: Path) -> Catalog:
    """The annotated images of all splits, with their objects."""
    home = folder / "annotations" if (folder / "annotations").is_dir() else folder
    rows: list[dict[str, Any]] = []
    objects: list[list[dict[str, Any]]] = []
    names: dict[int, Mapping[str, Any]] = {}
    for split in ("train", "val", "test"):
        for file in sorted(home.glob(f"*_{split}.json")):
            told = store.read_json(file)
            names |= {item["id"]: item for item in told["categories"]}
            by_image = defaultdict(list)
            for item in told["annotations"]:
                by_image[item["image_id"]].append(_object(item, names))
            for image in told["images"]:
                rows.append({"path": f"images/{split}/{image['file_name']}", "split": split})
                objects.append(by_image[image["id"]])
    root = folder if (folder / "images").is_dir() else folder.parent
    hashes = contents([root / row["path"] for row in rows])
    rows = [
        {**row, "id": row["path"], "root": str(root), "content": content}
        for row, (content, _) in zip(rows, hashes, strict=True)
    ]
    points = next((item["keypoints"] for item in names.values() if "keypoints" in item), [])
    about = {"task": "keypoints" if points else "detection", "keypoints": points}
    return Catalog.of_rows(rows).with_columns({"objects": objects_column(objects)}).with_about(about)


def _object(item: Mapping[str, Any], names: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    x, y, width, height = item["bbox"]
    points = [float(value) for value in item.get("keypoints", ())]
    problem = "zero area" if width <= 0 or height <= 0 else ""
    box = [x, y, x + width, y + height]
    label = str(names[item["category_id"]]["name"])
    return {"key": str(item["id"]), "label": label, "box": box, "keypoints": points, "problem": problem}


def scored(folder: Path, half: int, flags: Sequence[Flag], told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows from what was flagged."""
    if not (folder / FAULTS).is_file():
        counts = {rule: sum(flag.rule == rule for flag in flags) for rule in (*RULES.values(), *HINTS)}
        per = {rule: round(100 * count / told["images"], 2) for rule, count in counts.items() if count}
        return [{**told, "kind": "clean", "per_100": per}] if half == 1 else []
    kinds = _by_kind(folder)
    leaked = {item["path"] for item in kinds.pop("leaked_image", [])}
    flags = [flag for flag in flags if flag.image not in leaked]
    rows = [_row(kind, (kind,), half, flags, kinds) for kind in RULES if kind in kinds]
    rows += [_row(name, those, half, flags, kinds) for name, those in TOGETHER.items() if set(those) & set(kinds)]
    return [{**told, "half": half, **row} for row in rows]


def _by_kind(folder: Path) -> dict[str, list[dict[str, Any]]]:
    kinds = defaultdict(list)
    for item in store.read_json(folder / FAULTS)["faults"]:
        kinds[item["type"]].append(item)
    return kinds


def _row(
    name: str, those: Sequence[str], half: int, flags: Sequence[Flag], kinds: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    rules = [RULES[kind] for kind in those]
    planted = [item for kind in those for item in kinds.get(kind, [])[half::2]]
    neither = [item for kind in those for other in LENIENT.get(kind, ()) for item in kinds.get(other, ())]
    own = [
        flag
        for flag in flags
        if flag.rule in rules and _half(flag, kinds) == half and not any(_is(flag, item) for item in neither)
    ]
    right = [flag for flag in own if any(_is(flag, item) for item in planted)]
    faulty = [flag for flag in own if any(_is(flag, item) for items in kinds.values() for item in items)]
    found = sum(any(_is(flag, item) for flag in own) for item in planted)
    seen = sum(any(_is(flag, item) for flag in flags if flag.rule not in HINTS) for item in planted)
    return {
        "kind": name, "rules": rules, "planted": len(planted), "found": found, "any": seen, "flagged": len(own),
        "recall": _share(found, len(planted)), "precision": _share(len(right), len(own)),
        "faulty": _share(len(faulty), len(own)),
    }  # fmt: skip


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def _half(flag: Flag, kinds: Mapping[str, list[dict[str, Any]]]) -> int:
    """The half of the fault that a flag is about; where there is none, by its key or its image."""
    for items in kinds.values():
        for place, item in enumerate(items):
            if _is(flag, item):
                return place % 2
    return (int(flag.key) if flag.key else int(Path(flag.image).stem.split("_")[-1])) % 2


def _is(flag: Flag, item: Mapping[str, Any]) -> bool:
    """Whether a flag names a planted fault: by its key, or for an object without box by its place."""
    if item.get("image", "") not in ("", Path(flag.image).name):
        return False  # Ids are given anew in every split.
    if flag.key:
        return flag.key == str(item.get("annotation_id")) and item["type"] != "missing_box"
    if "true_bbox" not in item or "image" not in item:
        return False
    x, y, width, height = item["true_bbox"]
    places = np.asarray([[x, y, x + width, y + height]], dtype=float), np.asarray([flag.box], dtype=float)
    return bool(overlaps(*places)[0, 0] >= SAME)


if __name__ == "__main__":
    main()
