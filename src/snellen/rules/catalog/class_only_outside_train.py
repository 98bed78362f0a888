"""What it does
Lists the classes of usable validation and test samples that no usable training sample has.

Why it matters
The model has no output for such a class; its samples can only be scored as wrong. Often a folder is misspelled.

Known problems
Data made for open-set tests has such classes on purpose.

Source
SPEC D4.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.values import Finding

FIRES = (
    {"catalog": {"target": ["a", "b", "c"], "split": ["train", "train", "val"]}},
    {"catalog": {"target": ["a", "b", "b"], "split": ["train", "train", "test"], "verdict": ["ok", "blank", "ok"]}},
)
SILENT = (
    {"catalog": {"target": ["a", "b", "a"], "split": ["train", "train", "val"]}},
    {"catalog": {"target": ["a", "b", ""], "split": ["train", "train", "val"], "verdict": ["ok", "ok", "no label"]}},
)


def class_only_outside_train(catalog: Catalog) -> list[Finding]:
    """One finding; its samples are those that cannot be learned."""
    usable = catalog.usable()
    known = set(usable.of("train").column("target").tolist())
    outside = usable.of("val", "test")
    if not known or not len(outside):
        return []
    lost = outside.where([name not in known for name in outside.column("target")])
    if not len(lost):
        return []
    counts = lost.counts()
    names = ", ".join(f"{name} {number}" for name, number in counts.items())
    message = (
        f"{len(counts)} classes are in validation or test and not in training ({names} images). "
        "Add training images, rename the folder, or leave these samples out."
    )
    evidence = {"count": len(counts), "samples": len(lost), "counts": counts}
    return [
        Finding(rule="class_only_outside_train", severity="block", message=message, evidence=evidence, samples=lost.ids)
    ]
