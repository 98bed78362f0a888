"""What it does
Counts the files whose verdict is neither ok nor blank nor truncated (those have rules of their own), by verdict.

Why it matters
Such a sample is left out of training and of every score; many of them mean a broken download or a wrong path.

Known problems
A format that is not read here (RAW, HEIC, SVG) counts as not an image.

Source
SPEC D4, D7.
"""

from __future__ import annotations

from snellen.catalog import OK, Catalog
from snellen.values import Finding

FIRES = (
    {"catalog": {"verdict": ["ok", "not an image", "empty file"]}},
    {"catalog": {"verdict": ["too large"]}},
    {"catalog": {"verdict": ["ok", "missing", "missing"]}},
)
SILENT = ({"catalog": {"verdict": ["ok", "ok"]}}, {"catalog": {"verdict": ["ok", "blank", "truncated"]}})


def unreadable_images(catalog: Catalog) -> list[Finding]:
    """One finding with the number of files by verdict."""
    verdicts = catalog.column("verdict").astype(str)
    bad = catalog.where([verdict not in (OK, "blank", "truncated") for verdict in verdicts])
    if not len(bad):
        return []
    counts = bad.counts("verdict")
    words = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    message = f"{len(bad)} of {len(catalog)} files cannot be used ({words}). They are left out everywhere."
    evidence = {"count": len(bad), "total": len(catalog), "verdicts": counts}
    return [Finding(rule="unreadable_images", severity="warn", message=message, evidence=evidence, samples=bad.ids)]
