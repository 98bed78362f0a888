"""Boxes whose object is seen elsewhere, or larger or smaller: which kind of fault that is, and the finding about one kind."""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.data.boxes import areas, row_intersections
from snellen.rules.objects import Seen, objects_finding, rounded
from snellen.values import Finding

# So much of the smaller box lies in the larger one, whose sides are so many times as long on the average.
WITHIN, TIMES = 0.8, 1.2
KINDS = ("shifted", "oversize", "undersize")


def kinds(seen: Seen) -> np.ndarray:
    """[m] text: what would be wrong with each box if the other frame that is seen for it is right."""
    drawn, better = np.nan_to_num(seen.objects.box), np.nan_to_num(seen.better)
    shared, own, other = row_intersections(drawn, better), areas(drawn), areas(better)
    times = np.sqrt(own / np.maximum(other, 1e-9))
    oversize = (shared >= WITHIN * other) & (times >= TIMES)
    undersize = (shared >= WITHIN * own) & (times <= 1 / TIMES)
    return np.where(oversize, "oversize", np.where(undersize, "undersize", "shifted"))


def misplaced_finding(rule: str, catalog: Catalog, kind: str, *, sure: float, words: str) -> list[Finding]:
    """One finding about the boxes of one kind, the surest first; `words` ends the sentence on them."""
    seen = Seen.of(catalog)
    doubt = np.nan_to_num(seen.misplaced)
    judged = int(np.isfinite(seen.score).sum())
    places = np.flatnonzero((doubt >= sure) & (kinds(seen) == kind))
    if not len(places):
        return []
    places = places[np.argsort(-doubt[places], kind="stable")]
    overlap = float(np.median(seen.match[places]))
    message = (
        f"{len(places)} of {judged} boxes {words}: a detector that has not learnt from their images sees other frames, "
        f"which overlap with the drawn ones by {overlap:.0%} in the middle."
    )
    evidence = {"count": len(places), "total": judged, "overlap": overlap, "limit": sure}
    each = [
        {
            "what": f"overlap {seen.match[place]:.2f} with what is seen, doubt {doubt[place]:.2f}",
            "box": rounded(seen.better[place]),
        }
        for place in places
    ]
    return objects_finding(rule, catalog, seen.objects, places, message=message, evidence=evidence, each=each)
