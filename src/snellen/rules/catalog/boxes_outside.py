"""What it does
Lists the boxes that reach beyond their image by more than `beyond` pixels.

Why it matters
What lies outside has no pixels; often width and height were exchanged, or the image was resized and its boxes were not.

Known problems
Some sets draw cut objects at their full size on purpose.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.rules.objects import objects_finding, rounded, sides
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")
_IMAGE = {"width": [64], "height": [48]}
_DETECTION = {"task": "detection"}
FIRES = (
    {"catalog": {**_IMAGE, "objects": [[{"key": "1", "label": "cat", "box": [40, 10, 80, 30]}]]}, "about": _DETECTION},
    {"catalog": {**_IMAGE, "objects": [[{"key": "1", "label": "cat", "box": [-3, 10, 20, 30]}]]}, "about": _DETECTION},
)
SILENT = (
    {"catalog": {**_IMAGE, "objects": [[{"key": "1", "label": "cat", "box": [0, 0, 64, 48]}]]}, "about": _DETECTION},
    # Half a pixel is rounding.
    {
        "catalog": {**_IMAGE, "objects": [[{"key": "1", "label": "cat", "box": [-0.5, 0, 64.4, 48]}]]},
        "about": _DETECTION,
    },
)


def boxes_outside(catalog: Catalog, *, beyond: float = 1.01) -> list[Finding]:
    """One finding, the box that reaches farthest first."""
    objects = Objects.of(catalog)
    limits = np.tile(sides(catalog), 2)[objects.row]
    reach = np.concatenate([-objects.box[:, :2], objects.box[:, 2:] - limits[:, 2:]], axis=1)
    # A box that lies beyond the far edge altogether reaches out with its near corner too.
    far = np.nan_to_num(reach, nan=-np.inf).max(axis=1, initial=-np.inf)
    places = np.flatnonzero(far > beyond)
    if not len(places):
        return []
    places = places[np.argsort(-far[places], kind="stable")]
    images, most = len(np.unique(objects.row[places])), float(far[places[0]])
    message = f"{len(places)} of {len(objects)} boxes on {images} images reach beyond their image, the farthest by {most:.0f} pixels."
    evidence = {"count": len(places), "total": len(objects), "images": images, "most": most, "limit": beyond}
    inside = np.clip(objects.box, 0, limits)
    each = [
        {
            "what": f"{far[place]:.1f} pixels beyond the image",
            **({"box": rounded(inside[place])} if _left(inside[place]) else {}),
        }
        for place in places
    ]
    return objects_finding("boxes_outside", catalog, objects, places, message=message, evidence=evidence, each=each)


def _left(box: np.ndarray) -> bool:
    """Whether anything of the box lies in the image."""
    return bool(box[2] > box[0] and box[3] > box[1])
