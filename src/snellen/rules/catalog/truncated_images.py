"""What it does
Lists the files whose verdict is truncated, with the share of rows that could not be decoded.

Why it matters
A cut file is a sign of an interrupted copy; its missing part is grey and would be learned as if it were there.

Known problems
A progressive JPEG keeps a coarse whole image when it is cut; it counts as lost. A file that lacks only its last bytes
shows 0 % lost and is left out all the same.

Source
SPEC D4.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding

FIRES = (
    {"catalog": {"verdict": ["ok", "truncated"], "lost": [0.0, 0.4]}},
    {"catalog": {"verdict": ["truncated", "truncated"], "lost": [0.1, 1.0]}},
)
SILENT = (
    {"catalog": {"verdict": ["ok", "ok"], "lost": [0.0, 0.0]}},
    {"catalog": {"verdict": ["ok", "empty file"], "lost": [0.0, float("nan")]}},
)


def truncated_images(catalog: Catalog) -> list[Finding]:
    """One finding, the file that lost most first."""
    lost = catalog.column("lost")
    cut = np.flatnonzero(catalog.column("verdict").astype(str) == "truncated")
    if not len(cut):
        return []
    cut = cut[np.argsort(-lost[cut], kind="stable")]
    mean, most = float(np.nanmean(lost[cut])), float(np.nanmax(lost[cut]))
    message = (
        f"{len(cut)} of {len(catalog)} files end too early; on average {mean:.0%} of their rows are lost, at most "
        f"{most:.0%}. They are left out; fetch them again."
    )
    evidence = {"count": len(cut), "total": len(catalog), "lost_mean": mean, "lost_max": most}
    samples = catalog.take(cut).ids
    return [Finding(rule="truncated_images", severity="warn", message=message, evidence=evidence, samples=samples)]
