"""What it does
Lists the masks with small gaps inside their objects: gaps of a larger share of the foreground than nearly all others have.

Why it matters
Pinholes from a threshold or a wand tool teach that parts of an object are background.

Known problems
Wheels, handles and lattices have gaps rightly. Frayed masks have gaps too and are left to their own rule.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import judged, masks_finding, numbers
from snellen.values import Finding

TASKS = ("segmentation",)
_MASKS = {"mask_problem": [""] * 6, "mask_share": [0.2] * 6, "mask_raggedness": [0.2] * 6}
FIRES = ({"catalog": {**_MASKS, "mask_holes": [0.0, 0.0, 0.12, 0.01, 0.0, 0.0]}},)
SILENT = (
    {"catalog": {**_MASKS, "mask_holes": [0.0, 0.0, 0.01, 0.0, 0.0, 0.0]}},
    # A set of lattices.
    {"catalog": {**_MASKS, "mask_holes": [0.1, 0.12, 0.08, 0.15, 0.1, 0.13]}},
)


def holed_masks(catalog: Catalog, *, least: float = 0.1, times: float = 3.0) -> list[Finding]:
    """`least`: area of the gaps by the foreground's; `times`: of what nine in ten masks have at most."""
    holes = np.nan_to_num(numbers(catalog, "mask_holes"))
    known = judged(catalog) & (np.nan_to_num(numbers(catalog, "mask_raggedness")) < 0.75)
    if not known.any():
        return []
    usual = float(np.quantile(holes[known], 0.8))
    rows = np.flatnonzero(known & (holes >= max(least, times * usual)))
    if not len(rows):
        return []
    rows = rows[np.argsort(-holes[rows], kind="stable")]
    mean = float(holes[rows].mean())
    message = f"{len(rows)} of {len(catalog)} masks have small gaps inside their objects, {mean:.0%} of the drawn area."
    evidence = {"count": len(rows), "total": len(catalog), "mean": mean, "limit": max(least, times * usual)}
    each = [{"what": f"gaps of {holes[row]:.1%}"} for row in rows]
    return masks_finding("holed_masks", catalog, rows, message=message, evidence=evidence, each=each)
