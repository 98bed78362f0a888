"""What it does
Groups usable samples of a split by the hash of their bytes and their label, and lists all but the first of each.

Why it matters
A repeated training image counts twice; a repeated test image counts twice in the score.

Known problems
Deliberate oversampling by copying looks the same. Copies across splits are leakage, copies with another label are
conflicting labels: both have rules of their own.

Source
SPEC D4.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.values import Finding

FIRES = (
    {"catalog": {"content": ["a", "a", "b"], "target": ["x", "x", "y"]}},
    {"catalog": {"content": ["a", "b", "b", "b"], "split": ["train", "test", "test", "test"]}},
)
SILENT = (
    {"catalog": {"content": ["a", "b", "c"]}},
    {"catalog": {"content": ["a", "a"], "split": ["train", "test"]}},
    {"catalog": {"content": ["a", "a"], "target": ["x", "y"]}},
    {"catalog": {"content": ["a", "a"], "verdict": ["empty file", "empty file"]}},
)


def exact_duplicates(catalog: Catalog) -> list[Finding]:
    """One finding; its samples are the copies that could go."""
    usable = catalog.usable()
    names = ("content", "split", "target")
    seen: set[tuple[str, ...]] = set()
    copies = []
    columns = [usable.table.column(name).to_pylist() for name in names]
    for identity, *key in zip(usable.ids, *columns, strict=True):
        if tuple(key) in seen:
            copies.append(identity)
        seen.add(tuple(key))
    if not copies:
        return []
    by_split = usable.take(usable.rows(copies)).counts("split")
    where = ", ".join(f"{number} in {name or 'no split'}" for name, number in by_split.items())
    message = (
        f"{len(copies)} of {len(usable)} images are exact copies of another image of their split and class ({where})."
    )
    evidence = {"count": len(copies), "total": len(usable), "splits": by_split}
    return [
        Finding(rule="exact_duplicates", severity="warn", message=message, evidence=evidence, samples=tuple(copies))
    ]
