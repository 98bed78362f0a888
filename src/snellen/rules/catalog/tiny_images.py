"""What it does
Lists the images whose size (the side of a square of the same area) is below `most` pixels and below a share (`share`) of the
median size.

Why it matters
Enlarged to the model's input such an image is a few soft blobs; it is often a thumbnail or an icon that was saved by mistake.

Known problems
Where all images are tiny none is found: that is then what the data are like.

Source
SPEC D4.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.rules.outlying import finding, odd_ones
from snellen.rules.shapes import Shapes
from snellen.values import Finding

FIRES = (
    {"catalog": {"width": [160, 160, 200, 9], "height": [160, 120, 200, 9]}},
    {"catalog": {"width": [28] * 10 + [9], "height": [28] * 10 + [9]}},
)
SILENT = (
    {"catalog": {"width": [160, 160, 200, 80], "height": [160, 120, 200, 80]}},
    {"catalog": {"width": [9, 9, 9], "height": [9, 9, 9]}},
    {"catalog": {"width": [4000, 4000, 640], "height": [3000, 3000, 480]}},
    {"catalog": {"width": [160] * 5 + [480], "height": [160] * 5 + [40]}},
)


def tiny_images(catalog: Catalog, *, share: float = 0.4, most: float = 64.0) -> list[Finding]:
    """One finding, the smallest first."""
    usable = catalog.usable()
    shapes = Shapes.of(usable)
    odd = odd_ones(usable, shapes.tiny(share=share, most=most), shapes.smaller, least=0.0)
    least = float(shapes.size[odd.rows].min()) if len(odd) else 0.0
    message = (
        f"{len(odd)} of {len(usable)} images are tiny: the smallest is like {least:.0f} x {least:.0f} px, half of all are "
        f"like {shapes.usual:.0f} x {shapes.usual:.0f} px or more."
    )
    evidence = {"smallest": least, "usual": shapes.usual, "share": share, "most": most}
    return finding("tiny_images", odd, message, evidence)
