"""What it does
Lists the objects of which one keypoint is far from where the others say that it should be: the middle shape of the data set is
fitted to the other points (moved, turned, scaled), and the point is compared with its place in it.

Why it matters
One slip of the mouse moves a point by a hundred pixels, and a squared error makes it weigh more than all others.

Known problems
A rare pose looks like it. Only sets of four marked points and more are judged, and one point of each is found.

Source
Goodall 1991, "Procrustes methods in the statistical analysis of shape"; SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.keypoints import Points, strays
from snellen.rules.objects import objects_finding
from snellen.values import Finding

TASKS = ("keypoints",)
_ABOUT = {"task": "keypoints", "keypoints": ["nose", "left_ear", "right_ear", "tail"]}


def _animal(number: int, **moved: tuple[float, float]) -> dict[str, object]:
    x, y, wide = 10.0 + 7 * (number % 5), 12.0 + 5 * (number % 3), 1.0 + number % 4 / 8
    shape = {"nose": (0, 10), "left_ear": (8, 4 + number % 3), "right_ear": (8, 16), "tail": (40, 10 + number % 2)}
    flat: list[float] = []
    for name, (dx, dy) in shape.items():
        flat += [*moved.get(name, (x + wide * dx, y + wide * dy)), 2]
    return {"key": str(number), "label": "cat", "box": [x, y, x + 50 * wide, y + 20 * wide], "keypoints": flat}


_GOOD = [_animal(number) for number in range(30)]
FIRES = (
    {"catalog": {"objects": [[*_GOOD, _animal(31, tail=(180.0, 150.0))]]}, "about": _ABOUT},
    {"catalog": {"objects": [_GOOD, [_animal(32, left_ear=(90.0, 80.0))]]}, "about": _ABOUT},
)
SILENT = (
    {"catalog": {"objects": [_GOOD]}, "about": _ABOUT},
    # Of five sets nobody knows what is usual.
    {"catalog": {"objects": [[*_GOOD[:5], _animal(31, tail=(180.0, 150.0))]]}, "about": _ABOUT},
)


def stray_keypoints(catalog: Catalog, *, far: float = 6.0, least: float = 0.4, few: int = 20) -> list[Finding]:
    """One finding, the point that is farthest away first; fewer than `few` sets are not judged."""
    points = Points.of(catalog)
    if len(points.places) < few:
        return []
    found = strays(points, far=far, least=least)
    if not len(found.rows):
        return []
    order = np.argsort(-found.away, kind="stable")
    most = float(found.away[order[0]])
    message = (
        f"{len(order)} of {len(points.places)} objects have one keypoint far from where their other points say it should be, "
        f"by up to {most:.1f} sides of the box."
    )
    evidence = {"count": len(order), "total": len(points.places), "most": most, "limit": least}
    each = [
        {"what": f"{points.names[found.columns[i]]} is {found.away[i]:.1f} sides of the box from its place",
         "keypoint": points.names[found.columns[i]], "place": [round(found.at[i].real, 1), round(found.at[i].imag, 1)]}
        for i in order
    ]  # fmt: skip
    places = points.places[found.rows[order]]
    return objects_finding(
        "stray_keypoints", catalog, points.objects, places, message=message, evidence=evidence, each=each
    )
