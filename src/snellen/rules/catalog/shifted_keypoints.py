"""What it does
Lists the objects whose keypoints are all off by one and the same shift: some lie outside their box, and moved back together
they lie in it as the points of other objects do.

Why it matters
A copy with an offset, or a crop that was not undone, moves every point; the set still looks right in itself.

Known problems
The box must be right: where boxes are made from the points, they move with them. A shift that leaves the points inside is not found.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.keypoints import Points
from snellen.rules.objects import NORMAL, objects_finding
from snellen.values import Finding

TASKS = ("keypoints",)
_ABOUT = {"task": "keypoints", "keypoints": ["nose", "ear", "tail"]}


def _animal(number: int, *, by: float = 0.0, tail: float = 0.0) -> dict[str, object]:
    x, y = 10.0 + 7 * (number % 5), 12.0 + 5 * (number % 3)
    flat = [x + by, y + by, 2, x + 20 + by, y + 12 + by, 2, x + 60 + number % 4 + by + tail, y + 30 + by, 2]
    return {"key": str(number), "label": "cat", "box": [x - 8, y - 8, x + 68 + number % 4, y + 38], "keypoints": flat}


_GOOD = [_animal(number) for number in range(30)]
FIRES = (
    {"catalog": {"objects": [[*_GOOD, _animal(31, by=20.0)]]}, "about": _ABOUT},
    {"catalog": {"objects": [_GOOD, [_animal(32, by=-18.0)]]}, "about": _ABOUT},
)
SILENT = (
    {"catalog": {"objects": [_GOOD]}, "about": _ABOUT},
    # One point alone is another rule's business.
    {"catalog": {"objects": [[*_GOOD, _animal(31, tail=60.0)]]}, "about": _ABOUT},
)


def shifted_keypoints(catalog: Catalog, *, far: float = 6.0, least: float = 0.04, few: int = 20) -> list[Finding]:
    """One finding, the largest shift first. A shift counts that is `far` robust standard deviations from the usual and `least`
    sides of the box; fewer than `few` objects are not judged."""
    points = Points.of(catalog)
    rows = np.flatnonzero(points.marked.sum(axis=1) >= 2)
    if len(rows) < few:
        return []
    shift, slack = _shift_and_slack(points, rows)
    scale = points.size[rows, None]
    off = shift / scale - np.median(shift / scale, axis=0)
    spread = np.maximum(NORMAL * np.median(np.abs(off), axis=0), least / far)
    odd = (np.abs(off) > far * spread).any(axis=1)
    # Outside on one side, and room for all of them on the other.
    moved = odd & _outside(points, rows, 0 * shift) & ~_outside(points, rows, shift) & (slack > -2).all(axis=1)
    found = np.flatnonzero(moved)
    if not len(found):
        return []
    found = found[np.argsort(-np.abs(off[found]).max(axis=1), kind="stable")]
    middle = float(np.median(np.hypot(*shift[found].T)))
    message = (
        f"The keypoints of {len(found)} of {len(rows)} objects are off as a whole, in the middle by {middle:.0f} pixels: moved "
        "back they fit into their box."
    )
    evidence = {"count": len(found), "total": len(rows), "pixels": middle, "limit": least}
    each = [{"what": f"off by {shift[i][0]:+.0f}, {shift[i][1]:+.0f} pixels"} for i in found]
    places = points.places[rows[found]]
    return objects_finding(
        "shifted_keypoints", catalog, points.objects, places, message=message, evidence=evidence, each=each
    )


def _extent(points: Points, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest x, y [n, 2] of the marked points."""
    x, y = points.at[rows].real, points.at[rows].imag
    low, high = (np.stack([ends(x, axis=1), ends(y, axis=1)], axis=1) for ends in (np.nanmin, np.nanmax))
    return low, high


def _shift_and_slack(points: Points, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far [n, 2] the middle of the points lies from that of the box, and the room [n, 2] that the box leaves, pixels."""
    low, high = _extent(points, rows)
    box = points.objects.box[points.places[rows]]
    return (low + high - box[:, :2] - box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) - (high - low)


def _outside(points: Points, rows: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """[n] bool: some point lies two pixels outside its box, after all are moved back by the shift [n, 2]."""
    low, high = _extent(points, rows)
    box = points.objects.box[points.places[rows]]
    return np.asarray(((low - shift < box[:, :2] - 2) | (high - shift > box[:, 2:] + 2)).any(axis=1))
