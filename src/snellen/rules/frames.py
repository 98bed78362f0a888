"""Boxes that are probably misplaced: which kind of fault that is, and the finding about one kind."""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.data.boxes import MISPLACED, row_overlaps
from snellen.rules.objects import Seen, objects_finding, rounded
from snellen.values import Finding


def misplaced_finding(rule: str, catalog: Catalog, kind: str, *, sure: float, words: str) -> list[Finding]:
    """One finding about the boxes that are probably (`sure`, 0..1) misplaced, and in this way before all others; the surest first."""
    seen = Seen.of(catalog)
    odds, judged = np.nan_to_num(seen.odds), int(np.isfinite(seen.odds[:, 0]).sum())
    frames = seen.better if kind == "shifted" else seen.frame
    resized = odds[:, : MISPLACED.index("spurious")]
    doubt = resized.sum(axis=1)
    places = np.flatnonzero((doubt >= sure) & (resized.argmax(axis=1) == MISPLACED.index(kind)))
    if not len(places):
        return []
    places = places[np.argsort(-doubt[places], kind="stable")]
    match = row_overlaps(seen.objects.box[places], np.nan_to_num(frames[places]))
    overlap = float(np.median(match))
    message = (
        f"{len(places)} of {judged} boxes {words}: a detector that has not learnt from their images sees other frames, "
        f"which overlap with the drawn ones by {overlap:.0%} in the middle."
    )
    evidence = {"count": len(places), "total": judged, "overlap": overlap, "limit": sure}
    each = [
        _entry(frames[place], share, doubt[place]) for place, share in zip(places.tolist(), match.tolist(), strict=True)
    ]
    return objects_finding(rule, catalog, seen.objects, places, message=message, evidence=evidence, each=each)


def _entry(frame: np.ndarray, share: float, doubt: float) -> dict[str, object]:
    if not np.isfinite(frame).all():
        return {"what": f"nothing is seen near it, probability {doubt:.2f}"}
    return {"what": f"overlap {share:.2f} with what is seen, probability {doubt:.2f}", "box": rounded(frame)}
