"""What it does
Lists the masks that are made of blocks: nine tenths of their outline run straight along rows and columns for several pixels.

Why it matters
Such a mask was drawn, stored or predicted at a lower resolution and enlarged; its outline is off by up to half a block.

Known problems
Objects that are upright rectangles (screens, windows) have such masks rightly.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import judged, masks_finding, numbers
from snellen.values import Finding

TASKS = ("segmentation",)
_MASKS = {"mask_problem": ["", "", ""], "mask_share": [0.2, 0.2, 0.2]}
FIRES = ({"catalog": {**_MASKS, "mask_coarseness": [1.0, 8.0, 1.0]}},)
SILENT = ({"catalog": {**_MASKS, "mask_coarseness": [1.0, 2.0, 1.0]}},)


def coarse_masks(catalog: Catalog, *, side: float = 4.0) -> list[Finding]:
    """`side`: least length of the straight runs of the outline, pixels."""
    found = np.nan_to_num(numbers(catalog, "mask_coarseness"))
    rows = np.flatnonzero(judged(catalog) & (found >= side))
    if not len(rows):
        return []
    rows = rows[np.argsort(-found[rows], kind="stable")]
    middle = float(np.median(found[rows]))
    message = f"{len(rows)} of {len(catalog)} masks are made of blocks, in the middle of {middle:.0f} pixels."
    evidence = {"count": len(rows), "total": len(catalog), "side": middle, "limit": side}
    each = [{"what": f"blocks of {found[row]:.0f} pixels"} for row in rows]
    return masks_finding("coarse_masks", catalog, rows, message=message, evidence=evidence, each=each)
