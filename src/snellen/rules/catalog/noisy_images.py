"""What it does
Lists the images whose noise has a standard deviation of at least `least` (luminance 0..1; more for images below 64 px, where
every edge is next to every pixel) and that stand apart from the other images (`z`, robust standard deviations), where such
images are rare in their source and class. Seen at a shorter side of 128 px, near what a model sees.

Why it matters
Noise hides fine structure, and a convolutional network reacts to it more than people do.

Known problems
A texture as fine as pixels that fills three quarters of the image looks alike (gravel, foliage from above, static).

Source
SPEC D4; Immerkaer, Fast noise variance estimation (1996); Geirhos et al., Generalisation in humans and deep neural
networks (2018).
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.outlying import finding, odd_ones, robust_z
from snellen.rules.shapes import Shapes
from snellen.values import Finding

# Below this size in pixels the limit rises with the root of what is missing.
FULL = 64.0

FIRES = (
    {
        "catalog": {
            "noise": [0.01, 0.02, 0.01, 0.015, 0.02, 0.01, 0.02, 0.14],
            "width": [160] * 8,
            "height": [120] * 8,
        }
    },
    {"catalog": {"noise": [0.0] * 30 + [0.12], "width": [28] * 31, "height": [28] * 31}},
)
SILENT = (
    {"catalog": {"noise": [0.01, 0.02, 0.01, 0.04], "width": [160] * 4, "height": [120] * 4}},
    {"catalog": {"noise": [0.1, 0.12, 0.11, 0.14], "width": [160] * 4, "height": [120] * 4}},
    {"catalog": {"noise": [0.0] * 30 + [0.08], "width": [28] * 31, "height": [28] * 31}},
)


def noisy_images(catalog: Catalog, *, least: float = 0.06, z: float = 5.0) -> list[Finding]:
    """One finding, the noisiest first."""
    usable = catalog.usable()
    noise = usable.column("noise").astype(np.float64)
    shapes = Shapes.of(usable)
    limit = least * np.sqrt(np.maximum(1.0, FULL / np.minimum(shapes.width, shapes.height)))
    odd = odd_ones(usable, noise >= limit, robust_z(noise, floor=0.005), least=z)
    usual = float(np.nanmedian(noise)) if np.isfinite(noise).any() else 0.0
    message = (
        f"{len(odd)} of {len(usable)} images are noisy: the noise has a standard deviation of {least:g} or more of the "
        f"whole range (usual here: {usual:.3f})."
    )
    return finding("noisy_images", odd, message, {"least": least, "usual": usual, "limit": z})
