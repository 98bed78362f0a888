"""What it does
Lists the classes with fewer than `few` usable training images; fewer than `least` blocks.

Why it matters
A class of ten images is learned by heart, not by kind, and its recall cannot be told from luck.

Known problems
With strong pretrained features and classes that look nothing alike, ten images can be enough: see the recall.

Source
SPEC T6.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.values import Finding, Severity

FIRES = (
    {"catalog": {"target": ["a"] * 30 + ["b"] * 10}},
    {"catalog": {"target": ["a"] * 30 + ["b"] * 2}},
    {"catalog": {"target": ["a"] * 20 + ["b"] * 20, "verdict": ["ok"] * 39 + ["blank"]}},
)
SILENT = (
    {"catalog": {"target": ["a"] * 30 + ["b"] * 20}},
    # No classes at all.
    {"catalog": {"target": [""] * 3}},
)


def tiny_classes(catalog: Catalog, *, few: int = 20, least: int = 5) -> list[Finding]:
    """One finding over all tiny classes, smallest first; its samples are their training images."""
    train = catalog.usable().of("train")
    # Samples whose annotation is no label (a mask, nothing at all) are no class.
    counts = {name: number for name, number in train.counts().items() if name}
    tiny = {name: number for name, number in reversed(counts.items()) if number < few}
    if not tiny:
        return []
    words = ", ".join(f"{name} {number}" for name, number in tiny.items())
    message = f"{len(tiny)} of {len(counts)} classes have fewer than {few} usable training images: {words}."
    smallest = next(iter(tiny.values()))
    samples = train.where([name in tiny for name in train.column("target")]).ids
    evidence = {
        "count": len(tiny),
        "classes": len(counts),
        "few": few,
        "least": least,
        "smallest": smallest,
        "excess": few / smallest,
        "counts": tiny,
    }
    severity: Severity = "block" if smallest < least else "warn"
    return [Finding(rule="tiny_classes", severity=severity, message=message, evidence=evidence, samples=samples)]
