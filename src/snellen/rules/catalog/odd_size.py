"""What it does
Where nearly all images (`share`) have one width and height, lists those that have not; elsewhere those whose size (the side of a
square of the same area) is `times` times above the median, or below it. Images that are tiny or of an odd shape have rules of
their own.

Why it matters
An image of another size in a set of one size came by another way (another export, another camera, a thumbnail) and
may differ in more than its size.

Known problems
It is a hint, no fault: images are brought to one size anyway.

Source
SPEC D4.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.outlying import finding, odd_ones
from snellen.rules.shapes import Shapes
from snellen.shelf import CATALOG_RULES
from snellen.values import Finding

# A set of one size needs so many images to be one.
LEAST = 20

FIRES = (
    {"catalog": {"width": [160] * 40 + [200], "height": [120] * 41}},
    {"catalog": {"width": [600, 640, 700, 500, 6400], "height": [480, 500, 520, 600, 4800]}},
)
SILENT = (
    {"catalog": {"width": [160] * 41, "height": [120] * 41}},
    {"catalog": {"width": [600, 640, 700, 500, 1200], "height": [480, 500, 520, 600, 900]}},
    # Tiny, and of an odd shape: said elsewhere. Turned by a right angle it is the same size.
    {"catalog": {"width": [160] * 40 + [9, 480, 120], "height": [120] * 40 + [9, 40, 160]}},
)


def odd_size(catalog: Catalog, *, share: float = 0.95, times: float = 8.0) -> list[Finding]:
    """One finding of severity info, the farthest from the median first."""
    usable = catalog.usable()
    shapes = Shapes.of(usable)
    told = _told(shapes)
    same = _same(shapes)
    one = len(usable) >= LEAST and bool(same.mean() >= share)
    distance = np.abs(shapes.smaller)
    odd = odd_ones(usable, (~same if one else distance >= np.log2(times)) & ~told, distance, least=0.0)
    row = int(np.argmax(same)) if len(usable) else 0
    what = f"{shapes.width[row]:.0f} x {shapes.height[row]:.0f} px" if one else f"about {shapes.usual:.0f} px"
    message = f"{len(odd)} of {len(usable)} images have another size than the others ({what})."
    evidence = {"usual": shapes.usual, "size": what, "one_size": one, "share": share, "times": times}
    return finding("odd_size", odd, message, evidence, severity="info")


def _same(shapes: Shapes) -> np.ndarray:
    """[n] bool: of the commonest size, either way up."""
    sides = np.sort(np.stack([shapes.width, shapes.height], axis=1), axis=1)
    if not len(sides):
        return np.zeros(0, dtype=bool)
    _, kind, counts = np.unique(sides, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(kind.reshape(-1) == counts.argmax())


def _told(shapes: Shapes) -> np.ndarray:
    """[n] bool: what the rules of tiny images and odd shapes say at their default limits."""
    return shapes.tiny(**CATALOG_RULES.settings("tiny_images")) | shapes.long(**CATALOG_RULES.settings("odd_aspect"))
