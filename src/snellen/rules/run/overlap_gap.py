"""What it does
Compares the mean IoU on validation with that on training images, both measured alike (no augmentation, evaluation mode), over
the last epochs. A gap above 15 points is a finding.

Why it matters
Masks can be learnt by heart while the loss of a pixel, of which there are thousands, hardly moves: the gap in overlap shows it
first.

Known problems
Few training images are measured (train.gap_samples), and validation may simply be harder; only the paired experiment tells.

Source
SPEC S1 (the gap between training and validation), by overlap instead of loss.
"""

from __future__ import annotations

import numpy as np

from snellen.rules.overlaps import case, end_of
from snellen.run import Run
from snellen.values import Finding

READS = ("overlap",)


def overlap_gap(run: Run, *, gap: float = 0.15, epochs: int = 3, learned: float = 0.5) -> list[Finding]:
    """Find a gap above `gap` in the median of the last epochs, where training images are `learned` at least so well."""
    records = end_of(run, epochs)
    train, val = (float(np.median([record[key] for record in records])) for key in ("train", "val"))
    if not train - val > gap or train < learned:
        return []
    message = (
        f"The mean IoU on training images is {100 * (train - val):.0f} points above that on validation ({train:.1%} against "
        f"{val:.1%}): likely over-fitting (limit {100 * gap:.0f} points)."
    )
    evidence = {"gap": train - val, "train": train, "val": val, "limit": gap, "excess": (train - val) / gap}
    return [Finding(rule="overlap_gap", severity="warn", message=message, evidence=evidence)]


_BARE = {"augment.parts": [], "model.dropout": 0.0}
FIRES = (
    case({"background": 0.9, "cup": 0.5}, train=0.95, recipe=_BARE),
    case({"background": 0.8, "cup": 0.4}, train=0.8, epochs=1),
    case({"a": 0.6, "b": 0.6, "c": 0.6}, train=0.9, recipe={"model.dropout": 0.2}),
)
SILENT = (
    case({"background": 0.9, "cup": 0.7}, train=0.85),
    case({"background": 0.9, "cup": 0.7}, train=0.8),
    # Nothing is learned yet.
    case({"background": 0.3, "cup": 0.0}, train=0.4),
)
