"""What it does
Lists the masks whose outline is frayed: smoothing it changes many pixels for every pixel of its length, far more than is
usual in this set.

Why it matters
A frayed outline (a noisy threshold, a wand tool, lossy saving) is noise exactly where a segmenter is hardest to train.

Known problems
Fur, leaves and feathers that were drawn hair by hair are frayed as well.

Source
SPEC D5. Residue of smoothing: mathematical morphology, Serra 1982.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import judged, masks_finding, numbers
from snellen.values import Finding

TASKS = ("segmentation",)
_MASKS = {"mask_problem": [""] * 6, "mask_share": [0.2] * 6, "mask_coarseness": [1.0] * 6}
FIRES = ({"catalog": {**_MASKS, "mask_raggedness": [0.2, 0.3, 0.25, 1.1, 0.3, 0.2]}},)
SILENT = (
    {"catalog": {**_MASKS, "mask_raggedness": [0.2, 0.3, 0.25, 0.6, 0.3, 0.2]}},
    # A set that is drawn hair by hair throughout.
    {"catalog": {**_MASKS, "mask_raggedness": [0.9, 1.0, 0.8, 1.0, 0.7, 0.9]}},
)


def ragged_masks(catalog: Catalog, *, least: float = 0.75, times: float = 2.0) -> list[Finding]:
    """`least`: pixels that smoothing changes for every pixel of the outline; `times`: of what is usual (the median)."""
    ragged = numbers(catalog, "mask_raggedness")
    known = judged(catalog) & np.isfinite(ragged)
    if not known.any():
        return []
    usual = float(np.median(ragged[known]))
    # A mask of blocks has steps, not frays; it has its own rule.
    blocks = np.nan_to_num(numbers(catalog, "mask_coarseness")) >= 4
    rows = np.flatnonzero(known & ~blocks & (np.nan_to_num(ragged) >= max(least, times * usual)))
    if not len(rows):
        return []
    rows = rows[np.argsort(-ragged[rows], kind="stable")]
    mean = float(ragged[rows].mean())
    message = (
        f"{len(rows)} of {len(catalog)} masks have a frayed outline: smoothing changes {mean:.1f} pixels for every pixel of "
        f"its length, usual are {usual:.1f}."
    )
    evidence = {
        "count": len(rows),
        "total": len(catalog),
        "mean": mean,
        "usual": usual,
        "limit": max(least, times * usual),
    }
    each = [{"what": f"raggedness {ragged[row]:.2f}"} for row in rows]
    return masks_finding("ragged_masks", catalog, rows, message=message, evidence=evidence, each=each)
