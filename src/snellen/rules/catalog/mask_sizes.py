"""What it does
Counts the masks whose width and height are not those of their image.

Why it matters
A loader that scales such a mask to fit learns outlines in the wrong place; one that does not stops in the middle of a run.

Known problems
An image that a camera turned by EXIF, with a mask of the unturned pixels, is listed too: its mask has to be turned.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import masks_finding, numbers, texts
from snellen.values import Finding

TASKS = ("segmentation",)
_SIZES = {"width": [64, 64], "height": [48, 48], "mask_width": [64, 32], "mask_height": [48, 24]}
FIRES = ({"catalog": {"mask_problem": ["", "another size"], **_SIZES}},)
SILENT = ({"catalog": {"mask_problem": ["", "missing file"], **_SIZES}},)


def mask_sizes(catalog: Catalog) -> list[Finding]:
    """One finding with all of them."""
    rows = np.flatnonzero(texts(catalog, "mask_problem") == "another size")
    if not len(rows):
        return []
    names = ("mask_width", "mask_height", "width", "height")
    sizes = np.stack([np.nan_to_num(numbers(catalog, name)) for name in names], axis=1).astype(int)[rows]
    each = [{"what": f"{w} x {h}, its image {iw} x {ih}"} for w, h, iw, ih in sizes.tolist()]
    message = f"{len(rows)} of {len(catalog)} masks have another size than their image (the first: {each[0]['what']})."
    evidence = {"count": len(rows), "total": len(catalog), "first": each[0]["what"]}
    return masks_finding("mask_sizes", catalog, rows, message=message, evidence=evidence, each=each)
