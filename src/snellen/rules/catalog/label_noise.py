"""What it does
Lists training images whose label several cross-validated models on frozen features all contradict, and to which they give
next to no probability.

Why it matters
Wrong labels are learnt by heart late in training and cost accuracy; in validation they hide what is gained.

Known problems
A rare look of a class can be taken for a wrong label, and where classes overlap by nature, single labels look wrong that an
annotator would defend. The list is for a human eye, or for a paired trial without them.

Source
Confident learning: Northcutt, Jiang & Chuang 2021, arXiv:1911.00068; SPEC D5.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding

TASKS = ("classification",)


def label_noise(catalog: Catalog, *, least: float = 0.02, doubt: float = 0.07, times: float = 8.0) -> list[Finding]:
    """Find suspects where at least the share `least` of the training labels is doubted; a suspect's own label has an
    out-of-fold probability below `doubt`, another is `times` as likely, and no model prefers its own."""
    suggested = catalog.column("suggested").astype(str)
    quality = catalog.column("label_quality").astype(float)
    judged = int(np.isfinite(quality).sum())
    votes = catalog.column("label_votes").astype(float)
    agreed = (suggested != "") & (np.nan_to_num(votes) >= 1.0)
    unlikely = (np.nan_to_num(quality, nan=1.0) < doubt) & (catalog.column("label_margin") < -np.log(times))
    suspects = np.flatnonzero(agreed & unlikely)
    if not judged or len(suspects) < max(1, least * judged):
        return []
    worst = suspects[np.argsort(catalog.column("label_margin")[suspects], kind="stable")]
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


def _catalog(
    suspect: int, sure: int, quality: float = 0.02, votes: float = 1.0, margin: float = -4.0
) -> dict[str, object]:
    return {
        "catalog": {
            "target": ["cat"] * (suspect + sure),
            "suggested": ["dog"] * suspect + [""] * sure,
            "label_quality": [quality] * suspect + [0.9] * sure,
            "label_votes": [votes] * suspect + [0.0] * sure,
            "label_margin": [margin] * suspect + [2.0] * sure,
        }
    }


FIRES = (_catalog(3, 40), _catalog(1, 0))
SILENT = (
    _catalog(0, 40),
    # One in a hundred is what clean sets have too.
    _catalog(1, 99),
    # Suggested, but the label itself is not improbable.
    _catalog(4, 40, quality=0.2),
    # No other class is much likelier: the image is like none of them.
    _catalog(4, 40, margin=-1.0),
    # One of five models sides with the label.
    _catalog(4, 40, votes=0.8),
)
