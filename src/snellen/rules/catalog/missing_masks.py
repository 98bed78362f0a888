"""What it does
Counts the images of a segmentation set that have no mask file.

Why it matters
Such an image cannot be learnt from; loaders that skip it silently make the set smaller than it looks.

Known problems
A set may hold images without annotation on purpose; then this says how many.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import masks_finding, texts
from snellen.values import Finding

TASKS = ("segmentation",)
FIRES = ({"catalog": {"mask_problem": ["", "missing file", ""]}}, {"catalog": {"mask_problem": ["missing file"]}})
SILENT = ({"catalog": {"mask_problem": ["", ""]}}, {"catalog": {"mask_problem": ["another size", "unreadable"]}})


def missing_masks(catalog: Catalog) -> list[Finding]:
    """One finding with all of them."""
    rows = np.flatnonzero(texts(catalog, "mask_problem") == "missing file")
    if not len(rows):
        return []
    message = f"{len(rows)} of {len(catalog)} images have no mask file."
    evidence = {"count": len(rows), "total": len(catalog)}
    return masks_finding("missing_masks", catalog, rows, message=message, evidence=evidence)
