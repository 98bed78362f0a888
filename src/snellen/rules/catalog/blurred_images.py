"""What it does
Lists the images from whose gradient another blur takes little away (`least`: the share that it leaves, 0..1) and that stand apart
from the other images (`z`, robust standard deviations), where such images are rare in their source and class. Seen at a
shorter side of 128 px, near what a model sees.

Why it matters
A blurred image (focus, motion, or a small one enlarged) lacks what tells similar classes apart.

Known problems
Blur that is gone at 128 px is not found; neither is an image blurred in part. A picture that holds nothing but soft
gradients (sky) is blurred by this measure.

Source
SPEC D4; Crete, Dolmiere, Ladret and Nicolas, The blur effect: perception and estimation with a new no-reference perceptual
blur metric (2007).
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.outlying import finding, odd_ones, robust_z
from snellen.values import Finding

FIRES = (
    {"catalog": {"blur": [0.3, 0.25, 0.35, 0.3, 0.28, 0.4, 0.33, 0.8]}},
    {"catalog": {"blur": [0.3] * 30 + [0.7, 0.75]}},
)
SILENT = (
    {"catalog": {"blur": [0.3, 0.25, 0.35, 0.3, 0.28, 0.4, 0.33, 0.5]}},
    {"catalog": {"blur": [0.7, 0.75, 0.7, 0.8]}},
    {"catalog": {"blur": [0.3] * 9 + [float("nan")]}},
)


def blurred_images(catalog: Catalog, *, least: float = 0.65, z: float = 3.5) -> list[Finding]:
    """One finding, the most blurred first."""
    usable = catalog.usable()
    blur = usable.column("blur").astype(np.float64)
    odd = odd_ones(usable, blur >= least, robust_z(blur, floor=0.03), least=z)
    usual = float(np.nanmedian(blur)) if np.isfinite(blur).any() else 0.0
    message = (
        f"{len(odd)} of {len(usable)} images are blurred: blurring them again leaves {least:.0%} or more of their gradient "
        f"(usual here: {usual:.0%})."
    )
    return finding("blurred_images", odd, message, {"least": least, "usual": usual, "limit": z})
