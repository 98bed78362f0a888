"""What it does
Lists the images whose mask fits another image far better than its own, by what a held-out segmenter sees: pairs that were
exchanged, and masks of another image.

Why it matters
Every pixel of such a sample is labelled by chance. A shift by one in a list of files does this to a whole set.

Known problems
Only the mask most like what is seen is considered. Images whose objects are everywhere (nuclei, leaves) need a good segmenter.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog, MissingSignal
from snellen.rules.masks import masks_finding, numbers, swapped_with
from snellen.values import Finding

TASKS = ("segmentation",)
_MASKS = {"mask_share": [0.2] * 3, "segment_other": ["s1", "s0", "s0"]}
FIRES = ({"catalog": {**_MASKS, "segment_other_match": [0.9, 0.8, 0.3], "segment_own_match": [0.1, 0.2, 0.9]}},)
SILENT = (
    {"catalog": {**_MASKS, "segment_other_match": [0.9, 0.8, 0.3], "segment_own_match": [0.8, 0.9, 0.9]}},
    # Only one of the two fits the other, and not perfectly.
    {"catalog": {**_MASKS, "segment_other_match": [0.8, 0.5, 0.3], "segment_own_match": [0.2, 0.9, 0.9]}},
)


def swapped_masks(catalog: Catalog) -> list[Finding]:
    """One finding, the mask that fits its own image worst first."""
    if not catalog.has("segment_other"):
        raise MissingSignal("segment_other")
    other = swapped_with(catalog)
    rows = np.flatnonzero(other >= 0)
    if not len(rows):
        return []
    gain = numbers(catalog, "segment_other_match") - numbers(catalog, "segment_own_match")
    rows = rows[np.argsort(-gain[rows], kind="stable")]
    pairs = int(sum(other[other[row]] == row for row in rows)) // 2
    message = f"{len(rows)} of {len(catalog)} masks fit another image far better than their own; {pairs} pairs look exchanged."
    evidence = {"count": len(rows), "total": len(catalog), "pairs": pairs}
    ids = catalog.ids
    each = [{"what": f"the mask of {ids[other[row]]} fits", "other": ids[other[row]]} for row in rows]
    return masks_finding("swapped_masks", catalog, rows, message=message, evidence=evidence, each=each)
