"""What it does
Lists the boxes that probably lie beside their object: a cross-validated detector speaks of them as it does of boxes that
were shifted on purpose.

Why it matters
The model is taught that the border of an object lies where its middle is, and a right answer counts as a wrong one.

Known problems
Small, hidden and rare objects are seen badly, and so are those of a data set of few images: the list is for a human eye. Where
very many boxes are misplaced alike, that is how this data set draws them, and nothing is said.

Source
ObjectLab: Tkachenko, Thyagarajan & Mueller 2023, arXiv:2309.00832; Saerens, Latinne & Decaestecker 2002, Neural Computation
14:21-41 (how many boxes are misplaced); SPEC D5.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.rules.frames import misplaced_finding
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")


def _case(**odds: float) -> dict[str, object]:
    box = {"key": "7", "label": "cat", "box": [20, 20, 60, 60]}
    seen = {"score": 0.2, "foreground": 0.5, "match": 0.25, "match_score": 0.9}
    seen |= {"shifted": 0.0, "oversize": 0.0, "undersize": 0.0, "spurious": 0.0, **odds}
    columns = {f"object_{name}": [[value]] for name, value in seen.items()}
    frames = {"object_better": [[[40, 30, 80, 72]]], "object_frame": [[[30, 30, 50, 50]]]}
    return {"catalog": {"objects": [[box]], **columns, **frames}, "about": {"task": "detection"}}


FIRES = (_case(shifted=0.9), _case(shifted=0.5, oversize=0.3))
SILENT = (
    _case(shifted=0.1),
    # It is misplaced, but rather in another way.
    _case(shifted=0.3, oversize=0.6),
    _case(shifted=0.2, spurious=0.7),
)


def shifted_boxes(catalog: Catalog, *, sure: float = 0.5) -> list[Finding]:
    """`sure`: least probability that the box is shifted, oversize or undersize, 0..1; this one of the three is the most probable."""
    return misplaced_finding("shifted_boxes", catalog, "shifted", sure=sure, words="lie beside their object")
