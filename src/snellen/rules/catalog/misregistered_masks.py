"""What it does
Lists the masks that lie beside their object: moving the mask as a whole brings its outline onto the image's edges, and onto
what a held-out segmenter sees, far better than growing or shrinking it.

Why it matters
A shifted mask (a wrong crop, another coordinate origin, a moved camera) teaches background as object and object as background.

Known problems
A regular texture, or many equal objects side by side, can fit at another place too. Displacements above 15 % of the side are
not tried.

Source
SPEC D5. Registration by correlation of edges: Brown 1992, A survey of image registration techniques, §3.1.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import DISPLACED, Explained, judged, masks_finding
from snellen.values import Finding

TASKS = ("segmentation",)
_MASKS = {"mask_problem": ["", ""], "mask_share": [0.2, 0.2], "mask_edge_offset": [0, 0], "mask_edge_gain": [1.0, 1.0]}
FIRES = ({"catalog": {**_MASKS, "mask_shift_x": [12, 0], "mask_shift_y": [-3, 0], "mask_shift_gain": [3.0, 1.0]}},)
SILENT = (
    {"catalog": {**_MASKS, "mask_shift_x": [12, 0], "mask_shift_y": [-3, 0], "mask_shift_gain": [1.2, 1.0]}},
    # Less than two pixels is a matter of where a pixel begins.
    {"catalog": {**_MASKS, "mask_shift_x": [1, 0], "mask_shift_y": [1, 0], "mask_shift_gain": [3.0, 1.0]}},
)


def misregistered_masks(catalog: Catalog) -> list[Finding]:
    """One finding, the mask that gains most by being moved first."""
    explained = Explained.of(catalog)
    rows = np.flatnonzero(judged(catalog) & explained.displaced)
    if not len(rows):
        return []
    rows = rows[np.argsort(-explained.displacement[rows], kind="stable")]
    shifts = explained.shift[rows]
    far = float(np.median(np.hypot(shifts[:, 0], shifts[:, 1])))
    message = f"{len(rows)} of {len(catalog)} masks lie beside their object, in the middle by {far:.0f} pixels."
    evidence = {"count": len(rows), "total": len(catalog), "pixels": far, "limit": DISPLACED}
    each = [{"what": f"fits when moved by {x:.0f}, {y:.0f} pixels (right, down)"} for x, y in shifts.tolist()]
    return masks_finding("misregistered_masks", catalog, rows, message=message, evidence=evidence, each=each)
