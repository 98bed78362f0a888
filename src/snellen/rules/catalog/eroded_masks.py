"""What it does
Lists the masks that are drawn too small: image edges and a held-out segmenter agree that the object reaches further all
around.

Why it matters
The rim of every object is learnt as background; predictions become too small, and small objects vanish.

Known problems
Shadows, halos and soft borders have edges of their own. Where a whole group of images was drawn by that habit, the
segmenter has learnt it, and only strong edges speak.

Source
SPEC D5. Edges along the outline: the data term of active contours, Kass, Witkin & Terzopoulos 1988.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import Explained, judged, masks_finding
from snellen.values import Finding

TASKS = ("segmentation",)
_MASKS = {"mask_problem": ["", ""], "mask_share": [0.2, 0.2]}
_STILL = {"mask_shift_x": [0, 0], "mask_shift_y": [0, 0], "mask_shift_gain": [1.0, 1.0]}
FIRES = (
    {"catalog": {**_MASKS, **_STILL, "mask_edge_offset": [4, 0], "mask_edge_gain": [3.0, 1.0]}},
    # Faint edges, but the segmenter agrees with another outline far better.
    {
        "catalog": {
            **_MASKS, **_STILL, "mask_edge_offset": [1, 0], "mask_edge_gain": [1.1, 1.0],
            "segment_offset": [3, 0], "segment_offset_gain": [0.3, 0.0], "segment_shift_gain": [0.0, 0.0],
            "segment_shift_x": [0, 0], "segment_shift_y": [0, 0],
        }
    },
)  # fmt: skip
SILENT = (
    {"catalog": {**_MASKS, **_STILL, "mask_edge_offset": [4, 0], "mask_edge_gain": [1.2, 1.0]}},
    {"catalog": {**_MASKS, **_STILL, "mask_edge_offset": [-4, 0], "mask_edge_gain": [3.0, 1.0]}},
    # Moved, not eroded.
    {
        "catalog": {
            **_MASKS, "mask_edge_offset": [4, 0], "mask_edge_gain": [2.5, 1.0],
            "mask_shift_x": [12, 0], "mask_shift_y": [0, 0], "mask_shift_gain": [6.0, 1.0],
        }
    },
)  # fmt: skip


def eroded_masks(catalog: Catalog, *, limit: float = 0.95) -> list[Finding]:
    """`limit`: least `Explained.growth`: 0.95 are edges 2.6 times as strong, or an IoU better by 0.19."""
    explained = Explained.of(catalog)
    score = explained.growth
    rows = np.flatnonzero(judged(catalog) & (score >= limit) & ~explained.displaced & (explained.swapped < 0))
    if not len(rows):
        return []
    rows = rows[np.argsort(-score[rows], kind="stable")]
    pixels = np.abs(explained.level[rows])
    middle = float(np.median(pixels))
    message = (
        f"{len(rows)} of {len(catalog)} masks look eroded: the objects' edges lie outside of the outline, in the middle by "
        f"{middle:.1f} pixels."
    )
    evidence = {"count": len(rows), "total": len(catalog), "pixels": middle, "limit": limit}
    each = [{"what": f"drawn too small by {far:.1f} pixels"} for far in pixels]
    return masks_finding("eroded_masks", catalog, rows, message=message, evidence=evidence, each=each)
