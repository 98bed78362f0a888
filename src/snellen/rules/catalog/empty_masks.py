"""What it does
Lists the masks that are all background although a segmenter that learnt from the other images sees an object in the image.

Why it matters
An object that is drawn as background teaches the model to overlook it.

Known problems
A segmenter errs where an image is unlike all others. Images without any object are listed where it takes their texture for one.

Source
SPEC D5; held-out predictions against given labels: Northcutt, Jiang & Chuang 2021, arXiv:1911.00068.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import boxes, masks_finding, numbers, texts
from snellen.values import Finding

TASKS = ("segmentation",)
_COLUMNS = {"mask_problem": ["", ""], "mask_share": [0.0, 0.2], "segment_object_sure": [0.9, 0.9]}
FIRES = ({"catalog": {**_COLUMNS, "segment_seen": [0.1, 0.3], "segment_object_area": [0.1, 0.1]}},)
SILENT = (
    {"catalog": {**_COLUMNS, "segment_seen": [0.0, 0.3], "segment_object_area": [0.0, 0.1]}},
    # Seen, but hardly more than by chance.
    {"catalog": {**_COLUMNS, "segment_object_sure": [0.6, 0.9], "segment_seen": [0.1, 0.3], "segment_object_area": [0.1, 0.1]}},
)  # fmt: skip


def empty_masks(catalog: Catalog, *, sure: float = 0.7, area: float = 0.001) -> list[Finding]:
    """`sure`: least mean probability in the largest piece that is seen; `area`: its least share of the image."""
    empty = (texts(catalog, "mask_problem") == "") & (numbers(catalog, "mask_share") == 0)
    seen, found = numbers(catalog, "segment_seen"), np.nan_to_num(numbers(catalog, "segment_object_sure"))
    rows = np.flatnonzero(empty & (found >= sure) & (np.nan_to_num(numbers(catalog, "segment_object_area")) >= area))
    if not len(rows):
        return []
    rows = rows[np.argsort(-seen[rows], kind="stable")]
    mean = float(seen[rows].mean())
    message = (
        f"{len(rows)} masks are all background, but a segmenter that learnt from the other images sees objects there "
        f"(on average {mean:.0%} of the image)."
    )
    places = boxes(catalog, "segment_object_box")
    each = [{"what": f"object seen, probability {found[row]:.2f}", "box": places[row]} for row in rows]
    evidence = {"count": len(rows), "total": len(catalog), "seen": mean, "empty": int(empty.sum())}
    return masks_finding("empty_masks", catalog, rows, message=message, evidence=evidence, each=each)
