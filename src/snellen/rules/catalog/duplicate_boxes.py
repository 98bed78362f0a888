"""What it does
Lists the boxes that frame the same place as an earlier box of the same class in the same image (overlap of at least `least`).

Why it matters
The object counts twice in training, and in a test one of the two can never be found.

Known problems
Two objects that stand exactly one behind the other have such boxes rightly.

Source
SPEC D5.
"""

from __future__ import annotations

import numpy as np

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.data.boxes import copies
from snellen.rules.objects import objects_finding
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")
_DETECTION = {"task": "detection"}
_CAT = {"key": "1", "label": "cat", "box": [10, 10, 50, 40]}
_NEAR = {"key": "2", "label": "cat", "box": [10.6, 10.4, 50, 40]}
FIRES = (
    {"catalog": {"objects": [[_CAT, _NEAR]]}, "about": _DETECTION},
    {"catalog": {"objects": [[], [_CAT, {**_CAT, "key": "3"}, _NEAR]]}, "about": _DETECTION},
)
SILENT = (
    {"catalog": {"objects": [[_CAT], [_NEAR]]}, "about": _DETECTION},
    {"catalog": {"objects": [[_CAT, {**_NEAR, "label": "dog"}]]}, "about": _DETECTION},
    {"catalog": {"objects": [[_CAT, {**_NEAR, "box": [14, 10, 54, 40]}]]}, "about": _DETECTION},
)


def duplicate_boxes(catalog: Catalog, *, least: float = 0.85) -> list[Finding]:
    """One finding; the later box of a pair counts as the copy."""
    objects = Objects.of(catalog)
    usable = np.flatnonzero(objects.usable & (objects.box[:, 2:] > objects.box[:, :2]).all(axis=1))
    if not len(usable):
        return []
    groups = np.unique(
        [objects.row[usable], np.unique(objects.label[usable], return_inverse=True)[1]], axis=1, return_inverse=True
    )[1]
    earlier = copies(objects.box[usable], groups.reshape(-1), least=least)
    copied = np.flatnonzero(earlier >= 0)
    if not len(copied):
        return []
    places, originals = usable[copied], usable[earlier[copied]]
    images = len(np.unique(objects.row[places]))
    message = (
        f"{len(places)} of {len(objects)} boxes on {images} images frame the same place as another box of their class "
        f"(overlap of at least {least:.0%})."
    )
    evidence = {"count": len(places), "total": len(objects), "images": images, "least": least}
    each = [{"what": f"copy of {objects.key[original]}"} for original in originals]
    return objects_finding("duplicate_boxes", catalog, objects, places, message=message, evidence=evidence, each=each)
