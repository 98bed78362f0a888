"""What it does
Lists the boxes in which a cross-validated detector probably sees no object: it speaks of them as it does of boxes that were put where
nothing is drawn.

Why it matters
The model is taught to see something in background, and does.

Known problems
Small, hidden and rare objects are seen badly: the list is for a human eye. A box drawn by chance around an object that has
another box is not found.

Source
ObjectLab: Tkachenko, Thyagarajan & Mueller 2023, arXiv:2309.00832; SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.data.boxes import MISPLACED
from snellen.rules.objects import Seen, objects_finding
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")


def _case(**odds: float) -> dict[str, object]:
    box = {"key": "7", "label": "cat", "box": [20, 20, 60, 60]}
    seen = {"score": 0.1, "foreground": 0.1, "match": 0.0, "match_score": 0.0}
    seen |= {"shifted": 0.0, "oversize": 0.0, "undersize": 0.0, "spurious": 0.0, **odds}
    columns = {f"object_{name}": [[value]] for name, value in seen.items()}
    frames = {"object_better": [[None]], "object_frame": [[[20, 20, 60, 60]]]}
    return {"catalog": {"objects": [[box]], **columns, **frames}, "about": {"task": "detection"}}


FIRES = (_case(spurious=0.9), _case(spurious=0.6, shifted=0.3))
SILENT = (
    _case(spurious=0.1),
    # Nothing in the box, but something beside it: it was shifted.
    _case(spurious=0.3, shifted=0.6),
)


def spurious_boxes(catalog: Catalog, *, sure: float = 0.5) -> list[Finding]:
    """One finding, the surest box first. `sure`: least probability that it is around nothing, 0..1."""
    seen = Seen.of(catalog)
    odds = seen.odds[:, MISPLACED.index("spurious")]
    places = np.flatnonzero(np.nan_to_num(odds) >= sure)
    if not len(places):
        return []
    places = places[np.argsort(-odds[places], kind="stable")]
    images, total = len(np.unique(seen.objects.row[places])), int(np.isfinite(odds).sum())
    message = f"In {len(places)} of {total} boxes on {images} images no object is seen by a detector that has not learnt from them."
    evidence = {"count": len(places), "total": total, "images": images, "limit": sure}
    each = [{"what": f"{seen.objects.label[place]}, probability {odds[place]:.2f}"} for place in places]
    return objects_finding(
        "spurious_boxes", catalog, seen.objects, places, message=message, evidence=evidence, each=each
    )
