"""Peer of the audit of boxes: cleanlab's ObjectLab, run by an interpreter that has cleanlab.

    python object_lab.py FILE.json

The file holds {"classes": n, "images": [{"boxes", "labels", "seen", "seen_labels", "seen_scores"}]}: what is drawn and what the
held-out detector of our audit sees, so that both judge by the same opinion. Prints one JSON object with, for every image, the
rows of drawn boxes that ObjectLab calls badly placed or of a swapped class, and the seen boxes that it calls overlooked; its own
thresholds.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np


def asked(told: dict[str, Any]) -> dict[str, Any]:
    """ObjectLab's answer; the steps are those of its `find_label_issues`, which itself tells images only."""
    from cleanlab.object_detection import filter as lab

    images = told["images"]
    labels = [_drawn(image) for image in images]
    predictions = [_seen(image, told["classes"]) for image in images]
    given = lab._get_valid_inputs_for_compute_scores(lab.ALPHA, labels, predictions)
    precision = lab._get_per_class_ap(labels, predictions)
    drawn = lab._process_class_list([lab._separate_label(item)[1] for item in labels], precision)
    seen = lab._process_class_list([lab._separate_prediction(item)[1] for item in predictions], precision)
    sure, unsure = lab.HIGH_PROBABILITY_THRESHOLD, lab.LOW_PROBABILITY_THRESHOLD
    scores = {
        "overlooked": lab.compute_overlooked_box_scores(
            alpha=lab.ALPHA, high_probability_threshold=sure, auxiliary_inputs=given
        ),
        "badloc": lab.compute_badloc_box_scores(
            alpha=lab.ALPHA, low_probability_threshold=unsure, auxiliary_inputs=given
        ),
        "swap": lab.compute_swap_box_scores(
            alpha=lab.ALPHA, high_probability_threshold=sure, auxiliary_inputs=given
        ),
    }  # fmt: skip
    limits = {
        "overlooked": (seen, lab.OVERLOOKED_THRESHOLD_FACTOR), "badloc": (drawn, lab.BADLOC_THRESHOLD_FACTOR),
        "swap": (drawn, lab.SWAP_THRESHOLD_FACTOR),
    }  # fmt: skip
    found = {name: lab._find_label_issues_per_box(scores[name], *limits[name]) for name in scores}
    # It counts the seen boxes class by class: their places come with them.
    places = [lab._separate_prediction(item)[0] for item in predictions]
    answer = [
        {
            "badloc": np.flatnonzero(found["badloc"][i]).tolist() if len(labels[i]["labels"]) else [],
            "swap": np.flatnonzero(found["swap"][i]).tolist() if len(labels[i]["labels"]) else [],
            "overlooked": np.asarray(places[i], dtype=float).reshape(-1, 4)[_rows(found["overlooked"][i], places[i])].tolist(),
        }
        for i in range(len(images))
    ]  # fmt: skip
    return {"images": answer, "version": version("cleanlab"), "licence": "Apache-2.0"}


def _rows(flags: Any, places: Any) -> list[int]:
    return np.flatnonzero(flags[: len(places)]).tolist() if len(places) else []


def _drawn(image: dict[str, Any]) -> dict[str, Any]:
    return {
        "bboxes": np.asarray(image["boxes"], dtype=np.float32).reshape(-1, 4),
        "labels": np.asarray(image["labels"], dtype=np.int64),
    }


def _seen(image: dict[str, Any], classes: int) -> Any:
    """ObjectLab's form: for every class the boxes with their scores [k, 5]."""
    found = np.empty(classes, dtype=object)
    rows = [[*box, score] for box, score in zip(image["seen"], image["seen_scores"], strict=True)]
    for name in range(classes):
        mine = [row for row, label in zip(rows, image["seen_labels"], strict=True) if label == name]
        found[name] = np.asarray(mine, dtype=np.float32).reshape(-1, 5)
    return found


if __name__ == "__main__":
    print(json.dumps(asked(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
