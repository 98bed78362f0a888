"""Boxes whose object is seen elsewhere, or larger or smaller: which kind of fault that is, and the finding about one kind."""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.data.boxes import areas, row_intersections, row_overlaps
from snellen.rules.objects import Seen, objects_finding, rounded
from snellen.values import Finding

# So much of the smaller box lies in the larger one, whose sides are so many times as long on the average.
WITHIN, TIMES = 0.8, 1.2


def kinds(drawn: np.ndarray, better: np.ndarray) -> np.ndarray:
    """[m] text: what would be wrong with each box [m, 4] if the other frame is right."""
    drawn, better = np.nan_to_num(drawn), np.nan_to_num(better)
    shared, own, other = row_intersections(drawn, better), areas(drawn), areas(better)
    times = np.sqrt(own / np.maximum(other, 1e-9))
    oversize = (shared >= WITHIN * other) & (times >= TIMES)
    undersize = (shared >= WITHIN * own) & (times <= 1 / TIMES)
    return np.where(oversize, "oversize", np.where(undersize, "undersize", "shifted"))


def resized_finding(rule: str, catalog: Catalog, kind: str, *, sure: float, words: str) -> list[Finding]:
    """One finding about the boxes that are too large or too small, by where the detector would move them; the worst first."""
    seen = Seen.of(catalog)
    return _finding(rule, catalog, seen, seen.resized, seen.frame, kind, (sure, words))


def shifted_finding(rule: str, catalog: Catalog, *, sure: float, words: str) -> list[Finding]:
    """One finding about the boxes whose object is seen beside them, the surest first."""
    seen = Seen.of(catalog)
    beside = kinds(seen.objects.box, seen.frame) == "shifted"
    return _finding(rule, catalog, seen, np.where(beside, seen.misplaced, 0.0), seen.better, "", (sure, words))


def _finding(
    rule: str, catalog: Catalog, seen: Seen, doubts: np.ndarray, frames: np.ndarray, kind: str, told: tuple[float, str]
) -> list[Finding]:
    sure, words = told
    doubt, judged = np.nan_to_num(doubts), int(np.isfinite(seen.score).sum())
    fits = kinds(seen.objects.box, frames) == kind if kind else np.ones(len(doubt), dtype=bool)
    places = np.flatnonzero((doubt >= sure) & fits)
    if not len(places):
        return []
    places = places[np.argsort(-doubt[places], kind="stable")]
    match = row_overlaps(seen.objects.box[places], frames[places])
    overlap = float(np.median(match))
    message = (
        f"{len(places)} of {judged} boxes {words}: a detector that has not learnt from their images sees other frames, "
        f"which overlap with the drawn ones by {overlap:.0%} in the middle."
    )
    evidence = {"count": len(places), "total": judged, "overlap": overlap, "limit": sure}
    each = [
        {"what": f"overlap {share:.2f} with what is seen, doubt {doubt[place]:.2f}", "box": rounded(frames[place])}
        for place, share in zip(places, match, strict=True)
    ]
    return objects_finding(rule, catalog, seen.objects, places, message=message, evidence=evidence, each=each)
