"""What it does
Ranks the images by how many methods take them for outliers, then by how strange they are to them on average, and lists those
on which at least two of the methods agree (isolation forests over image statistics and over embeddings, density clusters,
heads that disagree, length of the head's gradient).

Why it matters
A stranger is a broken capture, an image of something else, or the one example of a condition that more images are needed of.

Known problems
Rare is not wrong. One method alone always finds something, so a single one is never enough; an image that is strange in one
way only is therefore not listed.

Source
SPEC D3. Isolation forest: Liu, Ting & Zhou 2008; DBSCAN: Ester et al. 1996; agreement: Aggarwal & Sathe 2015, doi:10.1145/2830544.2830549.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding

PREFIX, AGREEMENT = "outlier_", "outlier_agreement"


def outlier_images(catalog: Catalog, *, methods: int = 2) -> list[Finding]:
    """One finding; its samples are ranked, strangest first."""
    agreement = np.nan_to_num(catalog.column(AGREEMENT).astype(float))
    names = [name for name in catalog.table.column_names if name.startswith(PREFIX) and name != AGREEMENT]
    rows = np.flatnonzero(agreement >= min(methods, len(names)))
    if not len(rows) or not names:
        return []
    scores = np.stack([np.nan_to_num(catalog.column(name).astype(float)) for name in names])
    rows = rows[np.lexsort((-scores.mean(axis=0)[rows], -agreement[rows]))]
    worst = rows[0]
    said = [name.removeprefix(PREFIX) for name, values in zip(names, scores, strict=True) if values[worst] > 0.5]
    message = (
        f"{len(rows)} of {len(catalog)} images are unlike the others by at least {min(methods, len(names))} of {len(names)} methods; the "
        f"strangest, {catalog.table.column('path')[int(worst)].as_py()}, by {', '.join(said)}."
    )
    ids = catalog.ids
    evidence = {
        "count": len(rows), "total": len(catalog), "methods": len(names), "needed": min(methods, len(names)), "strangest": said,
        "path": catalog.table.column("path")[int(worst)].as_py(), "ranking": _ranking(ids, names, scores, rows[:20]),
    }  # fmt: skip
    samples = tuple(ids[i] for i in rows[:200])
    return [Finding(rule="outlier_images", severity="info", message=message, evidence=evidence, samples=samples)]


def _ranking(ids: tuple[str, ...], names: list[str], scores: np.ndarray, rows: np.ndarray) -> list[dict[str, object]]:
    return [
        {"sample": ids[row], **{n.removeprefix(PREFIX): round(float(s[row]), 3) for n, s in zip(names, scores, strict=True)}}
        for row in rows
    ]  # fmt: skip


def _catalog(agreement: list[int], scores: list[float]) -> dict[str, object]:
    names = ("statistics", "embedding", "dbscan", "votes", "gradient")
    return {"catalog": {AGREEMENT: agreement, **{f"{PREFIX}{name}": scores for name in names}}}


FIRES = (_catalog([0, 3, 5], [0.0, 0.6, 0.9]), {"catalog": {AGREEMENT: [0, 1], f"{PREFIX}embedding": [0.1, 0.8]}})
SILENT = (_catalog([0, 1, 1], [0.0, 0.6, 0.4]), {"catalog": {AGREEMENT: [0, 0]}})
