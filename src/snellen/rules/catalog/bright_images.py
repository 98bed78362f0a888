"""What it does
Lists the images that are nearly white everywhere: 95 % of the pixels are brighter than a limit (`least`, luminance 0..1), a share
of them (`white`) is above 0.95, and they stand apart from the other images (`z`, robust standard deviations), where such images
are rare in their source and class.

Why it matters
What is overexposed is lost: a white area looks the same whatever was there.

Known problems
A small thing cut out on white looks alike. It is left alone where that is usual for the catalog, its source or its class.

Source
SPEC D4.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.outlying import finding, odd_ones, robust_z
from snellen.values import Finding

FIRES = (
    {"catalog": {"low": [0.1, 0.2, 0.15, 0.1, 0.05, 0.2, 0.1, 0.9], "bright": [0.0] * 7 + [0.9]}},
    {"catalog": {"low": [0.1] * 30 + [0.8, 0.85], "bright": [0.0] * 30 + [0.4, 0.5]}},
)
SILENT = (
    {"catalog": {"low": [0.1, 0.2, 0.15, 0.1, 0.05, 0.2, 0.1, 0.5], "bright": [0.0] * 7 + [0.9]}},
    {"catalog": {"low": [0.9, 0.8, 0.85, 0.8], "bright": [0.9, 0.8, 0.85, 0.95]}},
    # Bright, but nothing is burnt out.
    {"catalog": {"low": [0.1] * 30 + [0.8], "bright": [0.0] * 31}},
)


def bright_images(catalog: Catalog, *, least: float = 0.7, white: float = 0.25, z: float = 3.5) -> list[Finding]:
    """One finding, the farthest from the others first."""
    usable = catalog.usable()
    low, bright = (usable.column(name).astype(np.float64) for name in ("low", "bright"))
    odd = odd_ones(usable, (low > least) & (bright > white), robust_z(low, floor=0.05), least=z)
    usual = float(np.nanmedian(low)) if len(low) else 0.0
    message = (
        f"{len(odd)} of {len(usable)} images are overexposed: 95 % of their pixels are above a luminance of {least:g} (usual "
        f"here: {usual:.2f})."
    )
    return finding("bright_images", odd, message, {"least": least, "white": white, "usual": usual, "limit": z})
