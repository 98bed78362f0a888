"""What it does
Compares the largest and the smallest class of the usable training samples; above `ratio` it warns.

Why it matters
Plain cross-entropy pays for the large classes; the small ones lose recall without the accuracy showing it.

Known problems
Where the world is as imbalanced as the data and accuracy is what counts, balancing costs accuracy.

Source
SPEC T6.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.values import Finding

FIRES = (
    {"catalog": {"target": ["a", "a", "a", "a", "b"]}},
    {"catalog": {"target": ["a", "b", "b", "b", "b", "b"], "split": ["train"] * 6}},
)
SILENT = (
    {"catalog": {"target": ["a", "a", "a", "b"]}},
    {"catalog": {"target": ["a", "b", "b", "b", "b"], "split": ["train", "train", "val", "val", "val"]}},
)


def class_imbalance(catalog: Catalog, *, ratio: float = 3.0) -> list[Finding]:
    """One finding with the counts of all classes."""
    counts = catalog.usable().of("train").counts()
    if len(counts) < 2:
        return []
    large, small = next(iter(counts)), list(counts)[-1]
    measured = counts[large] / counts[small]
    if measured <= ratio:
        return []
    message = (
        f"The largest class has {measured:.1f} times the training images of the smallest: {large} {counts[large]}, "
        f"{small} {counts[small]} (warned above {ratio:g})."
    )
    evidence = {
        "ratio": measured,
        "limit": ratio,
        "excess": measured / ratio,
        "largest": large,
        "smallest": small,
        "most": counts[large],
    }
    evidence |= {"fewest": counts[small], "counts": counts}
    return [Finding(rule="class_imbalance", severity="warn", message=message, evidence=evidence)]
