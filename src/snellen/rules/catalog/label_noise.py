"""What it does
Lists as many of the images whose label cross-validated models on frozen features contradict as keeps the expected
share of really wrong labels among them above `precise`. How probable a wrong label is follows from a model of the noise
whose rate is estimated with it.

Why it matters
Wrong labels are learnt by heart late in training and cost accuracy; in validation they hide what is gained.

Known problems
A rare look of a class can be taken for a wrong label, and where classes overlap by nature, single labels look wrong that an
annotator would defend. The list is for a human eye, or for a paired trial without them.

Source
Confident learning: Northcutt, Jiang & Chuang 2021, arXiv:1911.00068; symmetric noise: Natarajan et al. 2013; SPEC D5.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding

TASKS = ("classification",)


def label_noise(catalog: Catalog, *, least: float = 0.01, precise: float = 0.67) -> list[Finding]:
    """Find suspects where at least the share `least` of the labels is doubted; of those whom the models contradict,
    worst first, so many that the mean probability of a wrong label among them is `precise` or more."""
    suggested = catalog.column("suggested").astype(str)
    wrong = catalog.column("label_wrong").astype(float)
    judged = int(np.isfinite(wrong).sum())
    doubted = np.flatnonzero((suggested != "") & np.isfinite(wrong))
    doubted = doubted[np.argsort(-wrong[doubted], kind="stable")]
    expected = np.cumsum(wrong[doubted]) / np.arange(1, len(doubted) + 1)
    suspects = doubted[: int((expected >= precise).sum())]
    if not judged or len(suspects) < max(1, least * judged):
        return []
    worst = suspects[np.argsort(catalog.column("label_margin")[suspects], kind="stable")]
    ids, targets = catalog.ids, catalog.column("target").astype(str)
    pairs = Counter(zip(targets[worst].tolist(), suggested[worst].tolist(), strict=True))
    (given, other), number = pairs.most_common(1)[0]
    share, right = len(worst) / judged, float(wrong[worst].sum())
    message = (
        f"{len(worst)} of {judged} labels ({share:.1%}) are contradicted by cross-validated models; about {right:.0f} of "
        f"them should really be wrong. Most often {given!r} looks like {other!r} ({number} times)."
    )
    evidence = {
        "suspects": len(worst), "judged": judged, "share": share, "excess": share / least, "expected": right,
        "given": str(given), "suggested": str(other), "times": number,
    }  # fmt: skip
    samples = tuple(ids[i] for i in worst)
    return [Finding(rule="label_noise", severity="warn", message=message, evidence=evidence, samples=samples)]


def _catalog(suspect: int, sure: int, wrong: float = 0.9, suggested: str = "dog") -> dict[str, object]:
    return {
        "catalog": {
            "target": ["cat"] * (suspect + sure),
            "suggested": [suggested] * suspect + [""] * sure,
            "label_wrong": [wrong] * suspect + [0.001] * sure,
            "label_margin": [-4.0] * suspect + [2.0] * sure,
        }
    }


FIRES = (_catalog(3, 40), _catalog(1, 0))
SILENT = (
    _catalog(0, 40),
    # One in two hundred is what clean sets have too.
    _catalog(1, 199),
    # Contradicted, but hardly one of them would be wrong.
    _catalog(4, 40, wrong=0.4),
    # Improbable, but no other class is likelier: the image is like none of them.
    _catalog(4, 40, suggested=""),
)
