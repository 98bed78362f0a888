"""What it does
Lists the masks that lack an object: a piece apart from everything drawn that a segmenter, trained on the other images, is
sure to be foreground, whose outline lies on edges like the drawn ones, in an image whose mask it otherwise agrees with.

Why it matters
An object drawn as background teaches the model to overlook its kind.

Known problems
What looks like an object and is none (a reflection, a kind that is not to be drawn) is listed too. An object that touches a
drawn one is not found.

Source
SPEC D5; held-out predictions against given labels: Northcutt, Jiang & Chuang 2021, arXiv:1911.00068.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import GROWN, Explained, boxes, judged, masks_finding, numbers
from snellen.values import Finding

TASKS = ("segmentation",)
_MASKS = {
    "mask_problem": [""] * 2, "mask_share": [0.2] * 2, "mask_edge_offset": [0] * 2,
    "mask_edge_gain": [1.0] * 2, "mask_shift_x": [0] * 2, "mask_shift_y": [0] * 2, "mask_shift_gain": [1.0] * 2,
    "mask_coarseness": [1.0] * 2, "mask_raggedness": [0.2] * 2, "segment_object_iou": [0.9] * 2, "segment_object_edge": [1.0] * 2,
}  # fmt: skip
FIRES = ({"catalog": {**_MASKS, "segment_object_area": [0.1, 0.0], "segment_object_sure": [0.95, None]}},)
SILENT = (
    {"catalog": {**_MASKS, "segment_object_area": [0.1, 0.0], "segment_object_sure": [0.6, None]}},
    # Nothing in the image ends where it ends: a shadow, a colour of the background.
    {
        "catalog": {
            **_MASKS,
            "segment_object_area": [0.1, 0.0],
            "segment_object_sure": [0.95, None],
            "segment_object_edge": [0.4, None],
        }
    },
    # A speck.
    {"catalog": {**_MASKS, "segment_object_area": [0.0002, 0.0], "segment_object_sure": [0.95, None]}},
)


def mask_objects_missing(
    catalog: Catalog, *, sure: float = 0.8, agree: float = 0.6, edge: float = 0.85, area: float = 0.001
) -> list[Finding]:
    """`sure`: least mean probability in the piece; `agree`: least IoU once it is added to the mask; `edge`: least strength
    of edges along its outline by that along the mask's; `area`: least share of the image."""
    known = judged(catalog)
    columns = ("sure", "iou", "edge", "area")
    found, agreed, edges, size = (np.nan_to_num(numbers(catalog, f"segment_object_{name}")) for name in columns)
    if not known.any():
        return []
    explained = Explained.of(catalog)
    # Beside an outline that is itself wrong, edges and pieces prove nothing.
    other = explained.displaced | (explained.swapped >= 0) | (np.abs(explained.growth) >= GROWN / 2)
    other |= (np.nan_to_num(numbers(catalog, "mask_coarseness")) >= 4) | (
        np.nan_to_num(numbers(catalog, "mask_raggedness")) >= 0.75
    )
    fits = (found >= sure) & (agreed >= agree) & (edges >= edge) & (size >= area)
    rows = np.flatnonzero(known & ~other & fits)
    if not len(rows):
        return []
    rows = rows[np.argsort(-(found * agreed * size**0.25)[rows], kind="stable")]
    mean = float(found[rows].mean())
    message = (
        f"{len(rows)} of {len(catalog)} masks seem to lack an object: a segmenter that learnt from the other images is sure of "
        f"it ({mean:.0%} on average)."
    )
    places = boxes(catalog, "segment_object_box")
    each = [{"what": f"object without a mask, probability {found[row]:.2f}", "box": places[row]} for row in rows]
    evidence = {"count": len(rows), "total": len(catalog), "sure": mean, "limit": sure}
    return masks_finding("mask_objects_missing", catalog, rows, message=message, evidence=evidence, each=each)
