"""What it does
Lists the boxes in which heads that have not learnt from their image see an object, but of another class.

Why it matters
A wrong class is learnt by heart late in training and costs accuracy; in validation it hides what is gained.

Known problems
Rare looks of a class, and boxes that hold parts of two objects, are taken for wrong. The list is for a human eye.

Source
Confident learning: Northcutt, Jiang & Chuang 2021, arXiv:1911.00068; ObjectLab, arXiv:2309.00832; SPEC D5.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.annotations import read_per_object
from snellen.catalog import Catalog
from snellen.rules.objects import Seen, measured, objects_finding
from snellen.values import Finding

TASKS = ("detection", "instance", "keypoints")


def _case(*, own: float, rival: float, score: float) -> dict[str, object]:
    box = {"key": "7", "label": "cat", "box": [20, 20, 60, 60]}
    seen = {
        "score": score,
        "foreground": score,
        "match": 0.8,
        "match_score": 0.8,
        "own": own,
        "rival": rival,
        "frame_match": 0.8,
    }
    columns = {f"object_{name}": [[value]] for name, value in seen.items()}
    more = {"object_suggested": [["dog"]], "object_better": [[[20, 20, 60, 60]]], "object_frame": [[[20, 20, 60, 60]]]}
    return {"catalog": {"objects": [[box]], **columns, **more}, "about": {"task": "detection"}}


FIRES = (_case(own=0.02, rival=0.9, score=0.8),)
SILENT = (
    _case(own=0.6, rival=0.3, score=0.8),
    # Nothing is seen in the box: its class cannot be judged.
    _case(own=0.02, rival=0.9, score=0.1),
    _case(own=0.2, rival=0.5, score=0.8),
)


def wrong_class_boxes(
    catalog: Catalog, *, doubt: float = 0.05, ahead: float = 0.4, framed: float = 0.3
) -> list[Finding]:
    """One finding, the least probable class first. Its out-of-fold probability is below `doubt`, another's above `ahead`, and the
    box frames an object with a score of `framed`."""
    seen = Seen.of(catalog)
    own, rival = measured(catalog, "object_own"), measured(catalog, "object_rival")
    suggested = read_per_object(catalog, "object_suggested").astype(str)
    judged = int(np.isfinite(own).sum())
    with np.errstate(invalid="ignore"):
        places = np.flatnonzero((own < doubt) & (rival >= ahead) & (seen.score >= framed))
    if not len(places):
        return []
    places = places[np.argsort(own[places], kind="stable")]
    labels = seen.objects.label
    pairs = Counter((str(labels[place]), str(suggested[place])) for place in places)
    (given, other), times = pairs.most_common(1)[0]
    message = (
        f"{len(places)} of {judged} boxes hold an object of another class for heads that have not learnt from their images; "
        f"most often {given!r} that looks like {other!r} ({times} times)."
    )
    evidence = {
        "count": len(places), "total": judged, "share": len(places) / judged, "given": given, "suggested": other,
        "times": times, "limit": doubt,
    }  # fmt: skip
    each = [
        {
            "what": f"{labels[place]} looks like {suggested[place]}",
            "label": str(suggested[place]),
            "own": round(float(own[place]), 3),
        }
        for place in places
    ]
    return objects_finding(
        "wrong_class_boxes", catalog, seen.objects, places, message=message, evidence=evidence, each=each
    )
