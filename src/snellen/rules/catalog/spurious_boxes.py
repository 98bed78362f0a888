"""What it does
Lists the boxes in which a cross-validated detector sees no object, neither in them nor close by.

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
from snellen.rules.objects import Seen, objects_finding
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")


def _case(*, score: float, match: float = 0.0, match_score: float = 0.0) -> dict[str, object]:
    box = {"key": "7", "label": "cat", "box": [20, 20, 60, 60]}
    seen = {"score": score, "foreground": score, "match": match, "match_score": match_score, "frame_match": 1.0}
    columns = {f"object_{name}": [[value]] for name, value in seen.items()}
    better = [20, 20, 60, 60] if match else None
    return {
        "catalog": {"objects": [[box]], **columns, "object_better": [[better]], "object_frame": [[better]]},
        "about": {"task": "detection"},
    }


FIRES = (_case(score=0.05), _case(score=0.1, match=0.3, match_score=0.2))
SILENT = (
    _case(score=0.8),
    # Nothing in the box, but something beside it: it was shifted.
    _case(score=0.05, match=0.2, match_score=0.8),
)


def spurious_boxes(catalog: Catalog, *, least: float = 0.12, near: float = 0.35) -> list[Finding]:
    """One finding, the emptiest box first: its score is below `least`, and that of what is seen for it below `near`."""
    seen = Seen.of(catalog)
    judged = np.isfinite(seen.score)
    places = np.flatnonzero(judged & (seen.score < least) & (np.nan_to_num(seen.match_score) < near))
    if not len(places):
        return []
    places = places[np.argsort(seen.score[places], kind="stable")]
    images, total = len(np.unique(seen.objects.row[places])), int(judged.sum())
    message = f"In {len(places)} of {total} boxes on {images} images no object is seen by a detector that has not learnt from them."
    evidence = {"count": len(places), "total": total, "images": images, "limit": least}
    each = [{"what": f"{seen.objects.label[place]}, score {seen.score[place]:.2f}"} for place in places]
    return objects_finding(
        "spurious_boxes", catalog, seen.objects, places, message=message, evidence=evidence, each=each
    )
