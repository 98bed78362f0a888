"""What it does
Lists the objects of which a marked keypoint lies outside the object's box, by more than the share `beyond` of its longer side,
or outside the image.

Why it matters
Training crops and normalises by the box: such a point is cut off, or teaches a place that is not in the crop.

Known problems
Boxes drawn around the visible part of an object leave its hidden points outside.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.keypoints import Points
from snellen.rules.objects import objects_finding, sides
from snellen.values import Finding

TASKS = ("keypoints",)
_ABOUT = {"task": "keypoints", "keypoints": ["nose", "tail"]}
_IMAGE = {"width": [200], "height": [100]}
_CAT = {"key": "1", "label": "cat", "box": [10, 10, 60, 60]}
FIRES = (
    {"catalog": {**_IMAGE, "objects": [[{**_CAT, "keypoints": [20, 20, 2, 90, 50, 2]}]]}, "about": _ABOUT},
    {
        "catalog": {
            **_IMAGE,
            "objects": [[{**_CAT, "box": [150, 10, 230, 60], "keypoints": [160, 20, 2, 220, 50, 1]}]],
        },
        "about": _ABOUT,
    },
)
SILENT = (
    {"catalog": {**_IMAGE, "objects": [[{**_CAT, "keypoints": [20, 20, 2, 61, 50, 2]}]]}, "about": _ABOUT},
    # A point that is not marked stands at 0, 0.
    {"catalog": {**_IMAGE, "objects": [[{**_CAT, "keypoints": [20, 20, 2, 0, 0, 0]}]]}, "about": _ABOUT},
)


def keypoints_outside(catalog: Catalog, *, beyond: float = 0.05) -> list[Finding]:
    """One finding, the object whose point is farthest outside first."""
    points = Points.of(catalog)
    if not len(points.places):
        return []
    box = points.objects.box[points.places]
    limits = sides(catalog)[points.objects.row[points.places]]
    longer = (box[:, 2:] - box[:, :2]).max(axis=1)
    out = _outside(points.at, box) - np.maximum(beyond * longer, 2.0)[:, None]
    out_image = _outside(points.at, np.concatenate([np.zeros_like(limits), limits], axis=1)) - 1.0
    far = np.nan_to_num(np.fmax(out, out_image), nan=-1.0)
    rows = np.flatnonzero(far.max(axis=1) > 0)
    if not len(rows):
        return []
    rows = rows[np.argsort(-far[rows].max(axis=1), kind="stable")]
    number = int((far > 0).sum())
    message = f"{number} keypoints of {len(rows)} of {len(points.places)} objects lie outside their object's box or their image."
    evidence = {"count": len(rows), "total": len(points.places), "points": number, "beyond": beyond}
    each = [{"what": ", ".join(points.names[column] for column in np.flatnonzero(far[row] > 0))} for row in rows]
    return objects_finding(
        "keypoints_outside", catalog, points.objects, points.places[rows], message=message, evidence=evidence, each=each
    )


def _outside(at: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Pixels by which a point [n, k] lies outside its box [n, 4]; negative inside, NaN where it is not marked."""
    edges = [box[:, [0]] - at.real, at.real - box[:, [2]], box[:, [1]] - at.imag, at.imag - box[:, [3]]]
    return np.asarray(np.maximum.reduce(edges))
