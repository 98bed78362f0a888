"""What it does
Counts the mask files that cannot be read, or that hold colours, transparency or lossy compression instead of class ids.

Why it matters
A colour mask read as numbers gives classes that nobody drew; a JPEG mask gives a seam of wrong classes along every outline.

Known problems
A colour mask is fine where its colour table is known; then name it.

Source
SPEC D5, D7.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import masks_finding, texts
from snellen.values import Finding

TASKS = ("segmentation",)
FIRES = (
    {"catalog": {"mask_problem": ["", "unreadable"]}},
    {"catalog": {"mask_problem": ["not an index image", "unreadable", ""]}},
)
SILENT = ({"catalog": {"mask_problem": ["", ""]}}, {"catalog": {"mask_problem": ["missing file", "another size"]}})


def unreadable_masks(catalog: Catalog) -> list[Finding]:
    """One finding with all of them, the kinds counted."""
    problems = texts(catalog, "mask_problem")
    kinds = {kind: int((problems == kind).sum()) for kind in ("unreadable", "not an index image")}
    rows = np.flatnonzero(np.isin(problems, list(kinds)))
    if not len(rows):
        return []
    message = (
        f"{len(rows)} of {len(catalog)} masks cannot be used: {kinds['unreadable']} cannot be read, "
        f"{kinds['not an index image']} hold no class ids."
    )
    evidence = {
        "count": len(rows), "total": len(catalog), "unread": kinds["unreadable"], "no_index": kinds["not an index image"],
    }  # fmt: skip
    each = [{"what": str(problems[row])} for row in rows]
    return masks_finding("unreadable_masks", catalog, rows, message=message, evidence=evidence, each=each)
