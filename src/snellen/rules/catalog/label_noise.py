"""What it does
Lists training images whose label cross-validated models on frozen features contradict with confidence.

Why it matters
Wrong labels are learnt by heart late in training and cost accuracy; in validation they hide what is gained.

Known problems
A rare look of a class can be taken for a wrong label. The list is for a human eye, or for a paired trial without them.

Source
Confident learning: Northcutt, Jiang & Chuang 2021, arXiv:1911.00068; SPEC D5.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding


def label_noise(catalog: Catalog, *, least: float = 0.02, doubt: float = 0.3) -> list[Finding]:
    """Find suspects where at least the share `least` of the training labels is doubted; a suspect's own label has an
    out-of-fold probability below `doubt`."""
    suggested = catalog.column("suggested").astype(str)
    quality = catalog.column("label_quality").astype(float)
    judged = int(np.isfinite(quality).sum())
    suspects = np.flatnonzero((suggested != "") & (np.nan_to_num(quality, nan=1.0) < doubt))
    if not judged or len(suspects) < max(1, least * judged):
        return []
    worst = suspects[np.argsort(quality[suspects], kind="stable")]
    ids, targets = catalog.ids, catalog.column("target").astype(str)
    (given, other), number = Counter(zip(targets[worst].tolist(), suggested[worst].tolist(), strict=True)).most_common(
        1
    )[0]
    message = (
        f"{len(worst)} of {judged} training labels ({len(worst) / judged:.1%}) are contradicted by cross-validated models; "
        f"most often {given!r} that looks like {other!r} ({number} times)."
    )
    evidence = {
        "suspects": len(worst), "judged": judged, "share": len(worst) / judged, "excess": len(worst) / judged / least, "given": str(given), "suggested": str(other),
        "times": number,
    }  # fmt: skip
    return [
        Finding(
            rule="label_noise",
            severity="warn",
            message=message,
            evidence=evidence,
            samples=tuple(ids[i] for i in worst),
        )
    ]


def _catalog(suspect: int, sure: int) -> dict[str, object]:
    return {
        "catalog": {
            "target": ["cat"] * (suspect + sure),
            "suggested": ["dog"] * suspect + [""] * sure,
            "label_quality": [0.02] * suspect + [0.9] * sure,
        }
    }


FIRES = (_catalog(3, 40), _catalog(1, 0))
SILENT = (
    _catalog(0, 40),
    # One in a hundred is what clean sets have too.
    _catalog(1, 99),
    # Suggested, but the label itself is not improbable.
    {"catalog": {"target": ["cat"] * 4, "suggested": ["dog"] * 4, "label_quality": [0.4] * 4}},
)
