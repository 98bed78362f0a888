"""What it does
Lists the boxes that are much larger than their object: the frame that a cross-validated detector sees lies within them.

Why it matters
The model learns to take background in, and frames that are right count as wrong.

Known problems
Small, hidden and rare objects are seen badly, and so are those of a data set of few images: the list is for a human eye. A
box is compared with one frame only; where objects of a class overlap closely that may be its neighbour's.

Source
ObjectLab: Tkachenko, Thyagarajan & Mueller 2023, arXiv:2309.00832; SPEC D5.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.rules.frames import resized_finding
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")


def _case(*, match: float, score: float, better: list[float]) -> dict[str, object]:
    box = {"key": "7", "label": "cat", "box": [20, 20, 60, 60]}
    seen = {"score": score, "foreground": 0.5, "match": match, "match_score": 0.9, "frame_match": match}
    columns = {f"object_{name}": [[value]] for name, value in seen.items()}
    return {
        "catalog": {"objects": [[box]], **columns, "object_better": [[better]], "object_frame": [[better]]},
        "about": {"task": "detection"},
    }


FIRES = (_case(match=0.25, score=0.2, better=[30, 30, 50, 50]),)
SILENT = (
    _case(match=0.8, score=0.8, better=[22, 22, 62, 60]),
    # Another frame is seen, but it is nearly the same.
    _case(match=0.7, score=0.2, better=[30, 30, 50, 50]),
    _case(match=0.25, score=0.2, better=[0, 0, 80, 80]),
)


def oversize_boxes(catalog: Catalog, *, sure: float = 0.46) -> list[Finding]:
    """`sure`: least change of the box by the detector's own correction, 0..1: 1 - overlap of both."""
    return resized_finding("oversize_boxes", catalog, "oversize", sure=sure, words="are larger than their object")
