"""What it does
Lists the images whose luminance spans less than a limit (`most`) between its 5 % and 95 % quantiles and that stand apart from the
other images (`z`, robust standard deviations), where such images are rare in their source and class. Images that are
dark or overexposed have rules of their own.

Why it matters
Fog, a dirty lens, a faded scan or a nearly blank image: little is left to learn from, and normalisation enlarges its noise.

Known problems
A small thing on a plain ground has little contrast by area; it is left alone where that is usual.

Source
SPEC D4.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.outlying import finding, odd_ones, robust_z
from snellen.values import Finding

# Below and above these an image is dark or overexposed, which is said by other rules.
DARK, BRIGHT = 0.2, 0.7

FIRES = (
    {"catalog": {"low": [0.1] * 8 + [0.45], "high": [0.8] * 8 + [0.5]}},
    {"catalog": {"low": [0.1] * 40 + [0.3, 0.4], "high": [0.9] * 40 + [0.35, 0.45]}},
)
SILENT = (
    {"catalog": {"low": [0.1] * 8 + [0.3], "high": [0.8] * 8 + [0.6]}},
    {"catalog": {"low": [0.5] * 9, "high": [0.55] * 9}},
    {"catalog": {"low": [0.1] * 8 + [0.02], "high": [0.8] * 8 + [0.08]}},
)


def low_contrast(catalog: Catalog, *, most: float = 0.1, z: float = 2.5) -> list[Finding]:
    """One finding, the farthest from the others first."""
    usable = catalog.usable()
    low, high = (usable.column(name).astype(np.float64) for name in ("low", "high"))
    span = high - low
    odd = odd_ones(usable, (span < most) & (high >= DARK) & (low <= BRIGHT), -robust_z(span, floor=0.05), least=z)
    usual = float(np.nanmedian(span)) if len(span) else 0.0
    message = (
        f"{len(odd)} of {len(usable)} images have little contrast: their luminance spans less than {most:g} (usual here: "
        f"{usual:.2f})."
    )
    return finding("low_contrast", odd, message, {"most": most, "usual": usual, "limit": z})
