"""What it does
Counts the drawn objects that cannot be used, by the problem that reading found: zero area, not a number, unknown class, a
polygon of two points, run lengths of another size and so on.

Why it matters
Such an object is left out of training and of every score: what it marks is then taught to be background.

Known problems
What lies outside its image, is doubled or shifted is well-formed, and the business of other rules.

Source
SPEC D4; the COCO data format (cocodataset.org).
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")

_SOUND = {"key": "1", "label": "cat", "box": [0, 0, 4, 4]}
_FLAT = {"key": "2", "label": "cat", "box": [3, 3, 3, 9], "problem": "zero area"}
_STRANGE = {"key": "3", "label": "9", "box": [0, 0, 4, 4], "problem": "unknown class"}

FIRES = (
    {"catalog": {"objects": [[_SOUND, _FLAT], []]}, "about": {"task": "detection"}},
    {"catalog": {"objects": [[_STRANGE, _FLAT], [_STRANGE]]}, "about": {"task": "instance"}},
)
SILENT = (
    {"catalog": {"objects": [[_SOUND], []]}, "about": {"task": "detection"}},
    {"catalog": {"objects": [[{**_SOUND, "crowd": True}]]}, "about": {"task": "detection"}},
)

LISTED = 200


def unusable_objects(catalog: Catalog) -> list[Finding]:
    """One finding; the image with most of them first."""
    objects = Objects.of(catalog)
    bad = np.flatnonzero(objects.problem != "")
    if not len(bad):
        return []
    counts = dict(Counter(objects.problem[bad].tolist()).most_common())
    rows, numbers = np.unique(objects.row[bad], return_counts=True)
    worst = rows[np.argsort(-numbers, kind="stable")]
    rank = {row: place for place, row in enumerate(worst.tolist())}
    listed = sorted(bad.tolist(), key=lambda place: rank[int(objects.row[place])])[:LISTED]
    ids = catalog.ids
    words = ", ".join(f"{number} {problem}" for problem, number in counts.items())
    message = (
        f"{len(bad)} of {len(objects)} drawn objects on {len(rows)} of {len(catalog)} images cannot be used ({words}). "
        "They are left out."
    )
    evidence = {
        "count": len(bad),
        "total": len(objects),
        "images": len(rows),
        "of": len(catalog),
        "verdicts": counts,
        "objects": [
            {"sample": ids[objects.row[place]], "key": str(objects.key[place]), "what": str(objects.problem[place])}
            for place in listed
        ],
    }
    samples = tuple(ids[row] for row in worst)
    return [Finding(rule="unusable_objects", severity="warn", message=message, evidence=evidence, samples=samples)]
