"""What it does
In multi-label data, lists the images that lack a label which heads that have not seen the image are all sure of.

Why it matters
A label that is missing teaches the model that the thing is not there, which is the opposite of what the image shows.

Known problems
Labels that go together (`plate`, `fork`) make the one look missing where only the other is there.

Source
SPEC D5; confident learning per class: Thyagarajan et al. 2022, Identifying incorrect annotations in multi-label classification
data, arXiv:2211.13895.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding

TASKS = ("multilabel",)

FIRES = ({"catalog": {"label_missing": [["fork"], []], "label_quality": [0.02, 0.9]}, "about": {"task": "multilabel"}},)
SILENT = ({"catalog": {"label_missing": [[], []], "label_quality": [0.8, 0.9]}, "about": {"task": "multilabel"}},)


def missing_labels(catalog: Catalog) -> list[Finding]:
    """One finding; its samples are ordered by how sure the heads are."""
    catalog.column("label_quality")
    missing = [tuple(item or ()) for item in catalog.table.column("label_missing").to_pylist()]
    rows = np.asarray([row for row, names in enumerate(missing) if names], dtype=np.int64)
    if not len(rows):
        return []
    quality = np.nan_to_num(catalog.column("label_quality").astype(float), nan=1.0)
    rows = rows[np.argsort(quality[rows], kind="stable")]
    counts = Counter(name for names in missing for name in names)
    words = ", ".join(f"{name} {number}" for name, number in counts.most_common(5))
    message = (
        f"{len(rows)} of {len(catalog)} images seem to lack {'labels' if counts.total() > 1 else 'a label'} that cross-validated models see "
        f"({counts.total()} in all: {words})."
    )
    ids = catalog.ids
    evidence = {
        "count": len(rows), "total": len(catalog), "labels": counts.total(), "classes": dict(counts), "named": words,
        "missing": [{"sample": ids[row], "labels": list(missing[row])} for row in rows[:200]],
    }  # fmt: skip
    samples = tuple(ids[row] for row in rows[:200])
    return [Finding(rule="missing_labels", severity="warn", message=message, evidence=evidence, samples=samples)]
