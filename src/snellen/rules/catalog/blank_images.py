"""What it does
Lists the images whose every channel varies by less than one grey level (standard deviation).

Why it matters
There is nothing to learn from them but their colour, which then stands for their class.

Known problems
An almost blank image (a lens cap with noise) is not caught here.

Source
SPEC D4.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.values import Finding

FIRES = ({"catalog": {"verdict": ["ok", "blank"]}}, {"catalog": {"verdict": ["blank", "blank"]}})
SILENT = ({"catalog": {"verdict": ["ok", "ok"]}}, {"catalog": {"verdict": ["ok", "truncated"]}})


def blank_images(catalog: Catalog) -> list[Finding]:
    """One finding with all of them."""
    blank = catalog.where(catalog.column("verdict").astype(str) == "blank")
    if not len(blank):
        return []
    message = f"{len(blank)} of {len(catalog)} images are blank (one colour). They are left out everywhere."
    evidence = {"count": len(blank), "total": len(catalog), "classes": blank.counts()}
    return [Finding(rule="blank_images", severity="warn", message=message, evidence=evidence, samples=blank.ids)]
