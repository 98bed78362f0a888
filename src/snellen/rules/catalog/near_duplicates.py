"""What it does
Reads the near-duplicate clusters, leaves exact copies out, and lists all but the first image of each cluster in a
split. It warns above a share of the split (`share`), below that it informs.

Why it matters
Near copies make a training set look larger and a test score more certain than they are.

Known problems
A series of photographs of one object is no error where they stay in one split. Crops of less than three quarters of a side are not found.

Source
SPEC D4.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.values import Finding, Severity

FIRES = (
    {"catalog": {"near": [0, 0, -1]}},
    {"catalog": {"near": [0, 0, 1, 1], "split": ["train", "train", "val", "val"]}},
)
SILENT = (
    {"catalog": {"near": [-1, -1]}},
    {"catalog": {"near": [0, 0], "content": ["a", "a"]}},
    {"catalog": {"near": [0, 0], "split": ["train", "test"]}},
)


def near_duplicates(catalog: Catalog, *, share: float = 0.05) -> list[Finding]:
    """One finding; its samples are the near copies that could go."""
    usable = catalog.usable()
    near = usable.column("near")
    first: dict[tuple[str, int], str] = {}
    seen: set[tuple[str, str]] = set()
    copies = []
    columns = [usable.table.column(name).to_pylist() for name in ("split", "content")]
    for identity, split, content, cluster in zip(usable.ids, *columns, near.tolist(), strict=True):
        if cluster >= 0 and (split, content) not in seen:
            seen.add((split, content))
            if first.setdefault((split, cluster), content) != content:
                copies.append(identity)
    if not copies:
        return []
    by_split = usable.take(usable.rows(copies)).counts("split")
    severe = any(number > share * len(usable.of(name)) for name, number in by_split.items())
    where = ", ".join(f"{number} in {name or 'no split'}" for name, number in by_split.items())
    message = f"{len(copies)} of {len(usable)} images are nearly the same as another image of their split ({where})."
    evidence = {"count": len(copies), "total": len(usable), "splits": by_split, "share": share}
    severity: Severity = "warn" if severe else "info"
    return [
        Finding(rule="near_duplicates", severity=severity, message=message, evidence=evidence, samples=tuple(copies))
    ]
