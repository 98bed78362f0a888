"""What it does
Counts the masks that hold ids which the list of classes does not name. 255 is no such id where a tenth of the masks
hold it: then it means "not labelled".

Why it matters
An id beyond the number of classes stops a training with an error that names neither the file nor the id, or is silently ignored.

Known problems
Without a list of classes every id is known.

Source
SPEC D5.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.masks import masks_finding, texts
from snellen.values import Finding

TASKS = ("segmentation",)
START = "unknown id "
FIRES = (
    {"catalog": {"mask_problem": ["", "unknown id 77"]}},
    {"catalog": {"mask_problem": ["unknown id 9, 12", "unknown id 9"]}},
)
SILENT = ({"catalog": {"mask_problem": ["", ""]}}, {"catalog": {"mask_problem": ["", "not an index image"]}})


def unknown_mask_ids(catalog: Catalog) -> list[Finding]:
    """One finding with all of them and the ids by the number of masks."""
    problems = texts(catalog, "mask_problem")
    rows = np.flatnonzero(np.char.startswith(problems, START))
    if not len(rows):
        return []
    found = [str(problems[row]).removeprefix(START) for row in rows]
    counts = Counter(number for item in found for number in item.split(", ")).most_common(5)
    words = ", ".join(f"{number} in {count}" for number, count in counts)
    message = f"{len(rows)} of {len(catalog)} masks hold ids that no class has ({words})."
    evidence = {"count": len(rows), "total": len(catalog), "ids": words}
    each = [{"what": f"id {item}"} for item in found]
    return masks_finding("unknown_mask_ids", catalog, rows, message=message, evidence=evidence, each=each)
