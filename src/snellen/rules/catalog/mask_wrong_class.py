"""What it does
Lists the masks with a piece whose class cross-validated models contradict: the segmenter's vote within the piece and a head on
what the network sees of it alone.

Why it matters
A wrong class for a whole object is the costliest error that a mask can have: every pixel of it is wrong.

Known problems
A rare look of a class is taken for another class. One piece of an image is named, the most doubted one.

Source
Confident learning: Northcutt, Jiang & Chuang 2021, arXiv:1911.00068; SPEC D5.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.catalog import Catalog, MissingSignal
from snellen.rules.masks import boxes, masks_finding, numbers, texts
from snellen.values import Finding

TASKS = ("segmentation",)
_CLASSES = {"segment_class_given": ["fruit", "bird", ""], "segment_class_suggested": ["vegetable", "mammal", ""]}
FIRES = (
    {"catalog": {**_CLASSES, "segment_class_quality": [0.02, 0.4, None], "segment_class_sure": [0.97, 0.5, None]}},
)
SILENT = (
    {"catalog": {**_CLASSES, "segment_class_quality": [0.3, 0.4, None], "segment_class_sure": [0.6, 0.5, None]}},
    {"catalog": {"segment_class_given": [""], "segment_class_suggested": [""], "segment_class_quality": [None], "segment_class_sure": [None]}},
)  # fmt: skip


def mask_wrong_class(catalog: Catalog, *, margin: float = 0.8) -> list[Finding]:
    """`margin`: by how much the suggested class is more probable than the given one."""
    if not catalog.has("segment_class_suggested"):
        raise MissingSignal("segment_class_suggested")
    ahead = np.nan_to_num(numbers(catalog, "segment_class_sure") - numbers(catalog, "segment_class_quality"))
    given, suggested = texts(catalog, "segment_class_given"), texts(catalog, "segment_class_suggested")
    rows = np.flatnonzero((suggested != "") & (ahead >= margin))
    if not len(rows):
        return []
    rows = rows[np.argsort(-ahead[rows], kind="stable")]
    (one, other), times = Counter(zip(given[rows].tolist(), suggested[rows].tolist(), strict=True)).most_common(1)[0]
    message = (
        f"{len(rows)} of {len(catalog)} masks hold an object whose class is contradicted; most often {one!r} that looks like "
        f"{other!r} ({times} times)."
    )
    places = boxes(catalog, "segment_class_box")
    each = [{"what": f"{given[row]} looks like {suggested[row]}", "box": places[row]} for row in rows]
    evidence = {
        "count": len(rows), "total": len(catalog), "given": str(one), "suggested": str(other), "times": times,
        "limit": margin,
    }  # fmt: skip
    return masks_finding("mask_wrong_class", catalog, rows, message=message, evidence=evidence, each=each)
