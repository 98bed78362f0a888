"""What it does
Counts the training images that the finished model gives their stated label to, with more than 80 %, although every
cross-validated model on frozen features contradicts that label.

Why it matters
Nobody can see such a label in the image: the model has learned the image itself by heart. That capacity is taken from what
generalises, and a label that is wrong in the data is now wrong in the model.

Known problems
Only the fixed training subset is looked at whose rows are stored, so that the count is a sample. A rare look of a class
can be doubted by the cross-validated models and rightly learned.

Source
SPEC S5; D. Arpit et al., arXiv:1706.05394 (memorisation); V. Feldman, C. Zhang, arXiv:2008.03703.
"""

from __future__ import annotations

import numpy as np

from snellen.run import Predictions, Run
from snellen.values import Finding

READS = ("recall",)


def memorised(run: Run, *, sure: float = 0.8, least: int = 5, share: float = 0.02) -> list[Finding]:
    """Find doubted labels that the model gives back; `samples` are they, surest first.

    `sure`: least probability of the stated label. `least`, `share`: fewest of them, alone and among the stored rows.
    """
    catalog, rows = run.catalog, run.predictions("train")
    if not isinstance(rows, Predictions):
        return []
    votes, suggested = catalog.column("label_votes").astype(float), catalog.column("suggested").astype(str)
    ids = catalog.ids
    doubted = {ids[row] for row in np.flatnonzero((suggested != "") & (np.nan_to_num(votes) >= 1.0))}
    known = _own(rows)
    learned = [row for row, name in enumerate(rows.ids) if name in doubted and known[row] > sure]
    seen = sum(name in doubted for name in rows.ids)
    if len(learned) < max(least, share * len(rows.ids)):
        return []
    message = (
        f"{len(learned)} of the {len(rows.ids)} training images looked at ({len(learned) / len(rows.ids):.1%}) have a label that "
        f"every cross-validated model contradicts, and the model gives it back with more than {sure:.0%} ({seen} are doubted)."
    )
    evidence = {
        "count": len(learned),
        "n": len(rows.ids),
        "share": len(learned) / len(rows.ids),
        "limit": share,
        "excess": len(learned) / len(rows.ids) / share,
        "doubted": seen,
        "sure": sure,
    }
    order = sorted(learned, key=lambda row: -known[row])
    samples = tuple(rows.ids[row] for row in order)
    return [Finding(rule="memorised", severity="warn", message=message, evidence=evidence, samples=samples)]


def _own(rows: Predictions) -> np.ndarray:
    """Probability of each row's stated label, [n]."""
    return np.asarray(rows.probabilities[np.arange(len(rows.targets)), rows.targets])


def _case(learned: int, resisted: int, sound: int, p: float = 0.95) -> dict[str, object]:
    n = learned + resisted + sound
    return {
        "catalog": {
            "target": ["a"] * n,
            "suggested": ["b"] * (learned + resisted) + [""] * sound,
            "label_votes": [1.0] * (learned + resisted) + [0.0] * sound,
        },
        "predictions": {
            "train": {
                "classes": ["a", "b"],
                "targets": [0] * n,
                "probabilities": [[p, 1 - p]] * learned + [[0.3, 0.7]] * resisted + [[0.97, 0.03]] * sound,
            }
        },
    }


FIRES = (_case(12, 3, 85), _case(6, 0, 100), _case(20, 20, 60, p=0.85))
SILENT = (
    # The model resists the doubted labels.
    _case(0, 15, 85),
    _case(4, 2, 40),
    # Too few among so many.
    _case(6, 0, 500),
    _case(12, 3, 85, p=0.7),
)
