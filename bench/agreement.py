"""The conflict rate of two annotators beside the planted one: agreement.py FOLDER…

A folder holds COCO annotations (`annotations/instances_train.json`), a second annotator's (`annotator_B/…`) and the list of
what was planted between the two (`…_disagreement.json`), which only this script reads.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snellen.annotations import objects_column
from snellen.catalog import Catalog
from snellen.data.agreement import Agreement, compare

PLANTED = {"missed": ("missed", "extra_box"), "class": ("other_class",), "loose": ("loose_box",)}


def catalog_of(file: Path, annotator: str) -> Catalog:
    """A COCO file as a catalog of its images' names."""
    document = json.loads(file.read_text(encoding="utf-8"))
    labels = {item["id"]: item["name"] for item in document["categories"]}
    drawn: dict[int, list[dict[str, Any]]] = {item["id"]: [] for item in document["images"]}
    for item in document["annotations"]:
        x, y, width, height = item["bbox"]
        box = [x, y, x + width, y + height]
        problem = "" if width > 0 and height > 0 else "zero area"
        drawn[item["image_id"]].append(
            {"key": str(item["id"]), "label": labels[item["category_id"]], "box": box, "problem": problem}
        )
    rows = [{"id": item["file_name"], "path": item["file_name"], "annotator": annotator} for item in document["images"]]
    catalog = Catalog.of_rows(rows).with_columns({"objects": objects_column(list(drawn.values()))})
    return catalog.with_about({"task": "detection", "classes": sorted(labels.values())})


def planted(file: Path) -> dict[str, set[int]]:
    """Annotation ids by kind of conflict; where an object has several, the first of missed, class, loose."""
    log = json.loads(file.read_text(encoding="utf-8"))["log"]
    found: dict[str, set[int]] = {}
    for kind, types in PLANTED.items():
        ids = {item["annotation_id"] for item in log if item["type"] in types}
        found[kind] = ids - set().union(*found.values())
    return found


def found_objects(agreement: Agreement) -> dict[str, set[int]]:
    """Annotation ids by kind of conflict, as measured."""
    found: dict[str, set[int]] = {kind: set() for kind in PLANTED}
    for unit in agreement.disputes:
        found[unit.conflict(agreement.loose)] |= {int(mark.key) for mark in unit.marks if mark is not None}
    return found


def report(folder: Path) -> bool:
    """Print one dataset's lines; whether the planted rate lies within the measured one's interval."""
    catalogs = [
        catalog_of(folder / place / "instances_train.json", name)
        for place, name in (("annotations", "A"), ("annotator_B", "B"))
    ]
    agreement = compare(catalogs[0], catalogs[1])
    truth = planted(folder / "annotator_B" / "instances_train_disagreement.json")
    keys = [
        {item["key"] for row in catalog.table.column("objects").to_pylist() for item in row} for catalog in catalogs
    ]
    objects = len(keys[0] | keys[1])
    summary = agreement.summary
    inside = _line(folder.name, "all", len(set().union(*truth.values())), objects, summary["rate"])
    hits = found_objects(agreement)
    for kind, ids in truth.items():
        _line(folder.name, kind, len(ids), objects, summary["kinds"][kind], _recall(ids, hits[kind]))
    return inside


def _recall(ids: set[int], found: set[int]) -> str:
    hit = len(ids & found)
    return f"found {hit}/{len(ids)}, precision {hit / len(found) if found else 0:.2f}" if ids else "none planted"


def _line(name: str, kind: str, count: int, objects: int, share: Mapping[str, Any], note: str = "") -> bool:
    rate = count / objects
    inside = bool(share["low"] <= rate <= share["high"])
    print(
        f"{name:18} {kind:7} planted {rate:6.1%} ({count} of {objects})  measured {share['value']:6.1%} "
        f"[{share['low']:.1%}, {share['high']:.1%}] ({share['count']} of {share['of']})  {'within' if inside else 'OUTSIDE'}  {note}"
    )
    return inside


def main() -> None:
    """Exit code 1 where a planted rate lies outside the measured interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    within = [report(folder) for folder in parser.parse_args().folders]
    sys.exit(0 if all(within) else 1)


if __name__ == "__main__":
    main()
