"""What it does
Lists objects that a cross-validated detector sees where no box is drawn. A box that cannot be used (no area, outside) and a
shifted one stand for the object that they were meant for.

Why it matters
An object without a box is learnt as background, and a model that finds it is told that it is wrong.

Known problems
Parts of large objects, and things of a class that is close to the annotated ones, are proposed too; what the annotation rules
leave out on purpose (too small, mostly hidden) is not known here. The list is for a human eye.

Source
ObjectLab: Tkachenko, Thyagarajan & Mueller 2023, arXiv:2309.00832; SPEC D5.
"""

from __future__ import annotations

from collections import Counter

from snellen.annotations import Objects
from snellen.catalog import Catalog, MissingSignal
from snellen.rules.objects import LISTED, rounded
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")


def _case(*scores: float) -> dict[str, object]:
    proposals = [{"box": [5.0, 5.0, 25.0, 30.0 + i], "label": "cat", "score": score} for i, score in enumerate(scores)]
    box = {"key": "7", "label": "cat", "box": [40, 40, 60, 60]}
    return {"catalog": {"objects": [[box]], "proposals": [proposals]}, "about": {"task": "detection"}}


FIRES = (_case(0.9), _case(0.3, 0.85))
SILENT = (_case(), _case(0.3))


def missing_boxes(catalog: Catalog, *, sure: float = 0.75) -> list[Finding]:
    """One finding, the surest object first. `sure`: least score of an object that is seen, 0..1."""
    objects = Objects.of(catalog)
    if not catalog.has("proposals"):
        raise MissingSignal("proposals")
    seen = [
        (float(item["score"]), row, item)
        for row, listed in enumerate(catalog.table.column("proposals").to_pylist())
        for item in listed or ()
        if item["score"] >= sure
    ]
    if not seen:
        return []
    seen.sort(key=lambda one: (-one[0], one[1]))
    ids = catalog.ids
    classes = dict(Counter(item["label"] for _, _, item in seen).most_common())
    images = len({row for _, row, _ in seen})
    words = ", ".join(f"{number} {name}" for name, number in classes.items())
    message = (
        f"{len(seen)} objects are seen on {images} images where no box is drawn ({words}); there are {len(objects)} boxes. "
        "The detector has not learnt from these images."
    )
    evidence = {"count": len(seen), "images": images, "boxes": len(objects), "classes": classes, "limit": sure}
    listed = [
        {"sample": ids[row], "key": "", "what": f"{item['label']}, score {score:.2f}", "box": rounded(item["box"])}
        for score, row, item in seen[:LISTED]
    ]
    samples = tuple(dict.fromkeys(ids[row] for _, row, _ in seen))
    return [
        Finding(
            rule="missing_boxes",
            severity="warn",
            message=message,
            evidence={**evidence, "objects": listed},
            samples=samples,
        )
    ]
