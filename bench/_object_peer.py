"""Ask cleanlab's ObjectLab about the boxes of a catalog that our audit has measured: it is given the same detections."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from snellen.annotations import Objects, read_per_object
from snellen.catalog import Catalog
from snellen.rules.objects import Seen, measured

PEER = Path(__file__).parent / "peers" / "object_lab.py"


def told(catalog: Catalog) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What the peer is given, and for every image with a box that was judged the rows of its objects.

    What is seen: for every drawn box the frame that was found for it, with the class that our heads hold for most probable, and
    every proposal.
    """
    objects, seen = Objects.of(catalog), Seen.of(catalog)
    own, rival = (measured(catalog, f"object_{name}") for name in ("own", "rival"))
    other = read_per_object(catalog, "object_suggested").astype(str)
    names = sorted({*objects.label.tolist()})
    proposals = catalog.table.column("proposals").to_pylist()
    judged = np.flatnonzero(np.isfinite(seen.score))
    images, members = [], []
    for row in np.unique(objects.row[judged]):
        mine = judged[objects.row[judged] == row]
        found = mine[np.isfinite(seen.better[mine]).all(axis=1)]
        classes = np.where(rival[found] > own[found], other[found], objects.label[found]).tolist()
        free = proposals[row] or []
        images.append(
            {
                "boxes": objects.box[mine].tolist(), "labels": [names.index(name) for name in objects.label[mine]],
                "seen": [*seen.better[found].tolist(), *(item["box"] for item in free)],
                "seen_labels": [*map(names.index, classes), *(names.index(item["label"]) for item in free)],
                "seen_scores": [*seen.match_score[found].tolist(), *(item["score"] for item in free)],
            }
        )  # fmt: skip
        members.append(mine)
    return {"classes": len(names), "images": images}, members


def asked(python: str, catalog: Catalog) -> list[tuple[str, str, str, tuple[float, ...]]]:
    """(rule of ours that answers to the same fault, path, key, box) of everything that ObjectLab flags at its own thresholds."""
    given, members = told(catalog)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "told.json"
        file.write_text(json.dumps(given), encoding="utf-8")
        done = subprocess.run(
            [python, str(PEER), str(file)], capture_output=True, text=True, check=False, encoding="utf-8"
        )
    if done.returncode:
        sys.exit(f"ObjectLab failed:\n{done.stderr[-3000:]}")
    objects, paths = Objects.of(catalog), catalog.table.column("path").to_pylist()
    flags: list[tuple[str, str, str, tuple[float, ...]]] = []
    for answer, mine in zip(json.loads(done.stdout.splitlines()[-1])["images"], members, strict=True):
        path = str(paths[int(objects.row[mine[0]])])
        for issue, rule in (("badloc", "shifted_boxes"), ("swap", "wrong_class_boxes")):
            flags += [(rule, path, str(objects.key[mine[row]]), ()) for row in answer[issue]]
        flags += [("missing_boxes", path, "", tuple(box)) for box in answer["overlooked"]]
    return flags
