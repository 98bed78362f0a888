"""What it does
Lists the images of which 95 % of the pixels are darker than a limit (`most`, luminance 0..1) and which stand apart from the
other images (`z`, robust standard deviations), where such images are rare in their source and class.

Why it matters
An underexposed image holds a few grey levels and much noise; what the model learns from it is mostly its darkness.

Known problems
A dark scene with one lamp in it is not found: its lamp is bright. Night photographs are found where they are rare.

Source
SPEC D4.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.outlying import finding, odd_ones, robust_z
from snellen.values import Finding

FIRES = (
    {"catalog": {"high": [0.8, 0.7, 0.9, 0.75, 0.8, 0.85, 0.7, 0.06]}},
    {"catalog": {"high": [0.8] * 30 + [0.1, 0.05]}},
)
SILENT = (
    {"catalog": {"high": [0.8, 0.7, 0.9, 0.75, 0.8, 0.85, 0.7, 0.4]}},
    {"catalog": {"high": [0.1, 0.15, 0.12, 0.08, 0.1, 0.15, 0.12, 0.05]}},
    # Half of one source is dark: that is what it is like.
    {"catalog": {"high": [0.8] * 90 + [0.1] * 10, "source": ["day"] * 80 + ["night"] * 20}},
    {"catalog": {"high": [0.8] * 9 + [float("nan")], "verdict": ["ok"] * 9 + ["unreadable"]}},
)


def dark_images(catalog: Catalog, *, most: float = 0.2, z: float = 3.0) -> list[Finding]:
    """One finding, the farthest from the others first."""
    usable = catalog.usable()
    high = usable.column("high").astype(np.float64)
    odd = odd_ones(usable, high < most, -robust_z(high, floor=0.05), least=z)
    usual = float(np.nanmedian(high)) if len(high) else 0.0
    message = (
        f"{len(odd)} of {len(usable)} images are dark: 95 % of their pixels are below a luminance of {most:g} (usual here: "
        f"{usual:.2f})."
    )
    return finding("dark_images", odd, message, {"most": most, "usual": usual, "limit": z})
