"""Masks of semantic segmentation: what the audit finds of planted faults, kind by kind, and what it flags in clean sets.

    python bench/audit_masks.py DATA_FOLDER [DATA_FOLDER …] [--half 1] [--size 256]

A folder holds images/<split>/*.jpg, masks/<split>/*.png, classes.json (or not) and faults.json (a clean set has none). Thresholds
were chosen on the faults in even places of their kind's list; half 1 scores those in odd places, half 0 the others. The
images without a fault are halved likewise, in the order of their paths. "named": found by the kind's own rule; "any": by
some rule on masks; "precision": of what the kind's own rule flags in this half, the share that has this fault; "faulty":
the share that has any fault of its mask. Only this script reads faults.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from snellen.catalog import Catalog
from snellen.data.content import contents, sample_ids
from snellen.data.duplicates import near_clusters
from snellen.data.masks import measure_masks
from snellen.data.pixels import open_pixels
from snellen.examine import audit
from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.train.machine import Setting
from snellen.train.measure_segments import measure_segments

RULES = {
    "mask_file_missing": "missing_masks", "wrong_size_mask": "mask_sizes", "unknown_label_id": "unknown_mask_ids",
    "blank_mask": "empty_masks", "eroded": "eroded_masks", "dilated": "dilated_masks", "ragged": "ragged_masks",
    "coarse": "coarse_masks", "misregistered": "misregistered_masks", "masks_swapped": "swapped_masks",
    "object_missing": "mask_objects_missing", "wrong_class": "mask_wrong_class",
}  # fmt: skip
ALL_RULES = (*RULES.values(), "holed_masks", "unreadable_masks")


def main() -> None:
    """One JSON line for every row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--half", type=int, default=1, choices=(0, 1))
    parser.add_argument("--size", type=int, default=256)
    given = parser.parse_args()
    for folder in given.data:
        for row in score(folder, given.half, size=given.size):
            print(json.dumps(row), flush=True)


def score(folder: Path, half: int, *, size: int = 256) -> list[dict[str, Any]]:
    """A row for every planted kind; of a set without faults.json one row with the flags of every rule per 100 images."""
    began = time.perf_counter()
    catalog = measured(catalog_of(folder), size=size)
    seconds = time.perf_counter() - began
    stems = {identity: Path(path).stem for identity, path in zip(catalog.ids, catalog.column("path"), strict=True)}
    flags = {finding.rule: {stems[i] for i in finding.samples} for finding in audit(catalog) if finding.looked}
    return scored(folder, half, flags, sorted(stems.values()), seconds)


def scored(
    folder: Path, half: int, flags: dict[str, set[str]], names: list[str], seconds: float
) -> list[dict[str, Any]]:
    """The rows from what was flagged: rule -> stems."""
    flags = {rule: flags.get(rule, set()) for rule in ALL_RULES}
    either = set().union(*flags.values())
    told = {"set": folder.name, "images": len(names), "seconds": round(seconds, 1)}
    if not (folder / "faults.json").is_file():
        per = {rule: round(100 * len(found) / len(names), 2) for rule, found in flags.items() if found}
        return [
            {
                **told,
                "kind": "clean",
                "flagged": len(either),
                "per_100": round(100 * len(either) / len(names), 2),
                "rules": per,
            }
        ]
    planted, elsewhere = faults(folder, half)
    faulty = set().union(*planted.values())
    clean = [name for name in names if name not in faulty | elsewhere]
    mine = faulty | set(clean[half::2])
    rows = [
        {
            **told,
            "kind": "clean",
            "flagged": len(either & set(clean)),
            "per_100": round(100 * len(either & set(clean)) / len(clean), 2),
        }
    ]
    for kind, those in planted.items():
        own = flags[RULES[kind]] & mine
        rows.append(
            {**told, "kind": kind, "planted": len(those), "named": len(own & those), "any": len(either & those),
             "flagged": len(own), "recall": _share(own & those, those), "recall_any": _share(either & those, those),
             "precision": _share(own & those, own), "faulty": _share(own & faulty, own)}
        )  # fmt: skip
    return rows


def _share(part: set[str], whole: set[str]) -> float | None:
    return round(len(part) / len(whole), 3) if whole else None


def faults(folder: Path, half: int) -> tuple[dict[str, set[str]], set[str]]:
    """Stems of the faulty masks of this half by kind, and those of the other half."""
    listed: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for fault in json.loads((folder / "faults.json").read_text(encoding="utf-8"))["faults"]:
        listed[fault["type"]].append(fault)
    mine: dict[str, set[str]] = {}
    others: set[str] = set()
    for kind in sorted(set(listed) & set(RULES)):
        halves = [
            {Path(item[key]).stem for item in listed[kind][part::2] for key in ("mask", "with_") if key in item}
            for part in (0, 1)
        ]
        mine[kind] = halves[half]
        others |= halves[1 - half]
    return mine, others


def catalog_of(folder: Path) -> Catalog:
    """images/<split>/<stem>.* with masks/<split>/<stem>.png."""
    files = sorted(path for path in folder.glob("images/*/*") if path.is_file())
    found = contents(files)
    rows = []
    for file, identity, (content, verdict) in zip(files, sample_ids([item[0] for item in found]), found, strict=True):
        split = file.parent.name
        mask = Path("masks", split, f"{file.stem}.png")
        rows.append(
            {"id": identity, "content": content, "verdict": verdict, "path": file.relative_to(folder).as_posix(),
             "root": str(folder), "split": split, "mask": mask.as_posix() if (folder / mask).is_file() else ""}
        )  # fmt: skip
    named = folder / "classes.json"
    classes = json.loads(named.read_text(encoding="utf-8")) if named.is_file() else None
    return Catalog.of_rows(rows).with_about({"task": "segmentation", "classes": classes})


def measured(catalog: Catalog, *, size: int) -> Catalog:
    """Pixels, near duplicates, masks, segmenter."""
    setting = Setting()
    with tempfile.TemporaryDirectory() as cache:
        catalog, pixels = open_pixels(catalog, size=size, cache=Path(cache))
        catalog = measure_masks(catalog.with_columns({"near": near_clusters(catalog)}))
        model = setting.prepare(TASKS.pick("classification")().model(Recipe(), ("a", "b")))
        return measure_segments(catalog, pixels, model, setting, size=size)


if __name__ == "__main__":
    main()
