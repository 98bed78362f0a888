"""What it does
Lists the boxes that lie beside their object: a cross-validated detector sees the object in another place, and nothing whole in
the drawn box.

Why it matters
The model is taught that the border of an object lies where its middle is, and a right answer counts as a wrong one.

Known problems
Small, hidden and rare objects are seen badly, and so are those of a data set of few images: the list is for a human eye. A
box is compared with one frame only; where objects of a class overlap closely that may be its neighbour's.

Source
ObjectLab: Tkachenko, Thyagarajan & Mueller 2023, arXiv:2309.00832; SPEC D5.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.rules.frames import shifted_finding
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


FIRES = (_case(match=0.25, score=0.2, better=[40, 30, 80, 72]),)
SILENT = (
    _case(match=0.8, score=0.8, better=[22, 22, 62, 60]),
    # Another frame is seen, but the drawn one looks as good.
    _case(match=0.25, score=0.75, better=[40, 30, 80, 72]),
    _case(match=0.25, score=0.2, better=[30, 30, 50, 50]),
)


def shifted_boxes(catalog: Catalog, *, sure: float = 0.14) -> list[Finding]:
    """`sure`: least doubt about the drawn frame, 0..1: score of the seen one x (1 - overlap with it) x (1 - score of the drawn one) x
    (1 - overlap with where the detector would move the drawn one)."""
    return shifted_finding("shifted_boxes", catalog, sure=sure, words="lie beside their object")
