"""What it does
Lists the boxes whose width or height is zero or less.

Why it matters
Such a box divides by zero in losses and metrics, or is dropped without a word and its object becomes background.

Known problems
A box of an object that is thinner than a pixel, in a format of whole pixels, has no area rightly; it cannot be learnt either.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.rules.objects import objects_finding, rounded
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")
_SOUND = {"key": "1", "label": "cat", "box": [2, 2, 9, 9]}
_FLAT = {"key": "2", "label": "cat", "box": [2, 2, 2, 9]}
FIRES = (
    {"catalog": {"objects": [[_SOUND, _FLAT]]}, "about": {"task": "detection"}},
    {
        "catalog": {"objects": [[{**_FLAT, "box": [9, 2, 4, 9], "problem": "negative size"}], []]},
        "about": {"task": "detection"},
    },
)
SILENT = (
    {"catalog": {"objects": [[_SOUND]]}, "about": {"task": "detection"}},
    {
        "catalog": {"objects": [[{"key": "3", "label": "cat", "problem": "not a number"}]]},
        "about": {"task": "detection"},
    },
)


def zero_area_boxes(catalog: Catalog) -> list[Finding]:
    """One finding with all of them, in the order of the catalog."""
    objects = Objects.of(catalog)
    finite = np.isfinite(objects.box).all(axis=1)
    flat = (np.nan_to_num(objects.box[:, 2:] - objects.box[:, :2], nan=1.0) <= 0).any(axis=1)
    places = np.flatnonzero((finite & flat) | (objects.problem == "zero area"))
    if not len(places):
        return []
    images = len(np.unique(objects.row[places]))
    message = f"{len(places)} of {len(objects)} boxes on {images} images have no area. They cannot be learnt from."
    evidence = {"count": len(places), "total": len(objects), "images": images}
    each = [{"what": f"{_size(objects.box[place])} pixels"} for place in places]
    return objects_finding("zero_area_boxes", catalog, objects, places, message=message, evidence=evidence, each=each)


def _size(box: np.ndarray) -> str:
    left, top, right, bottom = rounded(box)
    return f"{right - left:.1f} x {bottom - top:.1f}"
