"""What it does
Where the catalog has several sources, compares the largest one's share of the usable training samples with `share`.

Why it matters
The model learns the look of that source (camera, background, drawing style) and fails on the others.

Known problems
Sources that differ only in name, such as parts of one archive, are no risk.

Source
SPEC D1.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.values import Finding

FIRES = (
    {"catalog": {"source": ["a"] * 9 + ["b"]}},
    {"catalog": {"source": ["a"] * 19 + ["b", "c"], "target": ["x"] * 21}},
)
SILENT = (
    {"catalog": {"source": ["a"] * 8 + ["b"] * 2}},
    {"catalog": {"source": ["a"] * 10}},
    {"catalog": {"source": ["a"] * 9 + ["b"], "verdict": ["ok"] * 9 + ["blank"]}},
)


def source_dominates(catalog: Catalog, *, share: float = 0.8) -> list[Finding]:
    """One finding with the counts of all sources."""
    counts = catalog.usable().of("train").counts("source")
    if len(counts) < 2:
        return []
    name = next(iter(counts))
    measured = counts[name] / sum(counts.values())
    if measured <= share:
        return []
    message = (
        f"{measured:.0%} of the training images come from one of {len(counts)} sources, {name or 'without a name'} "
        f"(warned above {share:.0%})."
    )
    evidence = {"share": measured, "limit": share, "source": name, "sources": len(counts), "counts": counts}
    return [Finding(rule="source_dominates", severity="warn", message=message, evidence=evidence)]
