"""What it does
Lists the images whose longer side is at least `least` times the shorter and whose ratio stands apart from the others' (`z`,
robust standard deviations of its logarithm), where such images are rare in their source and class.

Why it matters
Squashed to the model's square, a strip shows nothing as it is; it is often a banner, a column of a page or a wrong crop.

Known problems
Panoramas are found too. Whether an image was squashed before it was saved cannot be seen from its sides.

Source
SPEC D4.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.rules.outlying import finding, odd_ones
from snellen.rules.shapes import Shapes
from snellen.values import Finding

FIRES = (
    {"catalog": {"width": [160, 160, 120, 480], "height": [120, 160, 160, 40]}},
    {"catalog": {"width": [160] * 10 + [40], "height": [160] * 10 + [480]}},
)
SILENT = (
    {"catalog": {"width": [160, 160, 120, 160], "height": [120, 160, 160, 80]}},
    {"catalog": {"width": [480, 480, 480], "height": [40, 40, 40]}},
    {"catalog": {"width": [480, 40, 480, 40, 480], "height": [40, 480, 40, 480, 40]}},
)


def odd_aspect(catalog: Catalog, *, least: float = 3.0, z: float = 4.0) -> list[Finding]:
    """One finding, the farthest from the others first."""
    usable = catalog.usable()
    shapes = Shapes.of(usable)
    odd = odd_ones(usable, shapes.length >= least, shapes.stretch, least=z)
    most = float(shapes.length[odd.rows].max()) if len(odd) else 0.0
    message = (
        f"{len(odd)} of {len(usable)} images have an odd shape: their sides differ {least:g} times or more, at most "
        f"{most:.1f} times."
    )
    return finding("odd_aspect", odd, message, {"least": least, "largest": most, "limit": z})
