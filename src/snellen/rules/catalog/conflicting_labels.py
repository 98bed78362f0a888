"""What it does
Groups usable samples by the hash of their bytes and lists every sample of a content that has more than one label.

Why it matters
At least one of the labels is wrong, and no model can satisfy both.

Known problems
Images with several right answers are multi-label data and belong to that task.

Source
SPEC D5.
"""

from __future__ import annotations

from collections import defaultdict

from snellen.catalog import Catalog
from snellen.values import Finding

FIRES = (
    {"catalog": {"content": ["a", "a"], "target": ["x", "y"]}},
    {"catalog": {"content": ["a", "b", "a"], "target": ["x", "y", "z"], "split": ["train", "train", "test"]}},
)
SILENT = (
    {"catalog": {"content": ["a", "a"], "target": ["x", "x"]}},
    {"catalog": {"content": ["a", "b"], "target": ["x", "y"]}},
    {"catalog": {"content": ["a", "a"], "target": ["x", "y"], "verdict": ["empty file", "empty file"]}},
)


def conflicting_labels(catalog: Catalog) -> list[Finding]:
    """One finding; copies of one image stand side by side in its samples."""
    usable = catalog.usable()
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    columns = [usable.table.column(name).to_pylist() for name in ("content", "target")]
    for identity, content, target in zip(usable.ids, *columns, strict=True):
        found[content].append((identity, target))
    disputed = [group for group in found.values() if len({target for _, target in group}) > 1]
    if not disputed:
        return []
    samples = tuple(identity for group in disputed for identity, _ in group)
    example = " and ".join(sorted({target for _, target in disputed[0]}))
    message = (
        f"{len(disputed)} images are there under more than one label ({len(samples)} samples), for instance as "
        f"{example}. Keep the right label of each, or drop both."
    )
    evidence = {"count": len(disputed), "samples": len(samples), "total": len(usable), "example": example}
    return [Finding(rule="conflicting_labels", severity="warn", message=message, evidence=evidence, samples=samples)]
