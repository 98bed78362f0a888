"""What it does
Reads the clusters of exact and near duplicates and lists those that reach across splits. The samples are the ones to
drop first: the training side, and the validation side where validation and test share an image.

Why it matters
The score then measures memory. A model that recognises a test image gets credit for it that no new image will give.

Known problems
A class of drawn or very plain images (icons, digits) may hold different samples that look the same. Leakage through a
group (one patient, one object from several angles) is not visible in pixels: name the column with `data.group`.

Source
SPEC D4; Barz and Denzler, Do we train on test data? (2020).
"""

from __future__ import annotations

from collections import Counter, defaultdict

from snellen.catalog import SPLITS, Catalog
from snellen.values import Finding

FIRES = (
    {"catalog": {"near": [0, 0, -1], "split": ["train", "val", "train"]}},
    {"catalog": {"near": [0, 0], "content": ["a", "a"], "split": ["train", "test"]}},
    {"catalog": {"near": [2, 2], "split": ["val", "test"]}},
)
SILENT = (
    {"catalog": {"near": [0, 0, -1], "split": ["train", "train", "val"]}},
    {"catalog": {"near": [0, 1], "split": ["train", "test"]}},
    {"catalog": {"near": [-1, -1], "split": ["train", "test"]}},
)


def leakage(catalog: Catalog) -> list[Finding]:
    """One finding over all pairs of splits; severity block, because it touches what scores are measured on."""
    usable = catalog.usable()
    near = usable.column("near").tolist()
    splits = usable.table.column("split").to_pylist()
    contents = usable.table.column("content").to_pylist()
    clusters: dict[int, list[int]] = defaultdict(list)
    for row, (cluster, split) in enumerate(zip(near, splits, strict=True)):
        if cluster >= 0 and split in SPLITS:
            clusters[cluster].append(row)
    pairs: Counter[str] = Counter()
    exact = 0
    drop: list[int] = []
    for rows in clusters.values():
        held = [name for name in SPLITS if name in {splits[row] for row in rows}]
        if len(held) < 2:
            continue
        pairs["-".join(held)] += 1
        kept = {contents[row] for row in rows if splits[row] == held[-1]}
        given = [row for row in rows if splits[row] != held[-1]]
        exact += any(contents[row] in kept for row in given)
        drop += given
    if not pairs:
        return []
    total = sum(pairs.values())
    where = ", ".join(f"{number} {name}" for name, number in sorted(pairs.items()))
    message = (
        f"{total} images are in more than one split ({where}): {exact} exact, {total - exact} nearly the same. "
        f"Dropping {len(drop)} samples on the side that is not measured ends it."
    )
    evidence = {
        "count": total,
        "exact": exact,
        "near": total - exact,
        "pairs": dict(sorted(pairs.items())),
        "drop": len(drop),
    }
    samples = usable.take(sorted(drop, key=lambda row: SPLITS.index(splits[row]))).ids
    return [Finding(rule="leakage", severity="block", message=message, evidence=evidence, samples=samples)]
