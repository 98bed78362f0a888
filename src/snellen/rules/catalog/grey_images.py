"""What it does
Lists the images without colour (no pixel's channels differ by more than `most`, 0..1) in a set where such images are rare.

Why it matters
They may come from another camera, scan or source. Where a class or a split has more of them, colour stands for it.

Known problems
A grey thing on a grey ground is found where the camera added no tint. A sepia photograph has colour.

Source
SPEC D4.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.outlying import finding, odd_ones
from snellen.values import Finding

FIRES = (
    {"catalog": {"chroma": [0.5, 0.4, 0.6, 0.3] * 10 + [0.0]}},
    {"catalog": {"chroma": [0.5] * 60 + [0.0, 0.01]}},
)
SILENT = (
    {"catalog": {"chroma": [0.5, 0.4, 0.6, 0.05]}},
    {"catalog": {"chroma": [0.0, 0.0, 0.0]}},
    {"catalog": {"chroma": [0.5] * 10 + [0.0] * 5}},
    {"catalog": {"chroma": [0.03] * 10 + [0.0]}},
)


def grey_images(
    catalog: Catalog, *, most: float = 0.02, least_usual: float = 0.08, common: float = 0.05
) -> list[Finding]:
    """One finding of severity info; silent where half of the images have no more colour than `least_usual`, or where more than
    the share `common` (of the catalog, of a source, of a class) have none."""
    usable = catalog.usable()
    chroma = usable.column("chroma").astype(np.float64)
    usual = float(np.nanmedian(chroma)) if len(chroma) else 0.0
    odd = odd_ones(usable, (chroma <= most) & (usual > least_usual), most - chroma, least=0.0, common=common)
    message = f"{len(odd)} of {len(usable)} images have no colour (channels differ by {most:g} at most; usual here: {usual:.2f})."
    return finding("grey_images", odd, message, {"most": most, "usual": usual, "common": common}, severity="info")
