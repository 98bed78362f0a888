"""Outliers: images that are unlike all others, by several methods that look at different things."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from sklearn.cluster import DBSCAN
from sklearn.ensemble import IsolationForest

from snellen.catalog import Catalog
from snellen.train.judge import Judgement

# A robust z score of so much is the limit of a method; there its score is one half. Besides, no method may name more than this
# share of the images: a heavy tail is not a crowd of strangers. One method alone proves nothing, so each may be generous.
LIMIT, SHARE = 2.5, 0.02
STATISTICS = ("brightness", "contrast", "saturation", "sharpness")
# Density is estimated on so many images at most; the others are compared with what was found.
FITTED, DIRECTIONS, COMPANY = 5_000, 12, 5
# The radius of a neighbourhood is what so large a share of the images needs to have company.
DENSE = 0.9
LEAST = 20


def outliers(part: Catalog, points: np.ndarray, judged: Judgement, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns `outlier_<method>` [n] of 0..1, higher is stranger, and `outlier_agreement` [n]: methods in whose top it is.

    statistics: isolation forest (Liu, Ting & Zhou 2008, doi:10.1109/ICDM.2008.17) over brightness, contrast, saturation,
    sharpness, area and shape. embedding: the same over `points` [n, d], leading directions first. dbscan: distance to the
    nearest dense place (Ester et al. 1996, KDD). votes: heads that disagree. gradient: length of the head's gradient,
    out of fold. A method that could not look at a sample gives NaN. Cost: linear; density is fitted on a sample.
    """
    if len(part) < LEAST:
        return {"outlier_agreement": np.zeros(len(part), dtype=np.int64)}
    near = points[:, :DIRECTIONS]
    raw: dict[str, np.ndarray] = {
        "embedding": _forest(near, seed),
        "votes": judged.disagreement,
        "gradient": judged.gradient,
    }
    measured = _statistics(part)
    if measured.shape[1]:
        raw = {"statistics": _forest(measured, seed), **raw}
    scores = {name: strangeness(values) for name, values in raw.items() if np.isfinite(values).any()}
    scores["dbscan"] = 1 - 0.5 ** _away(near, seed)
    top = np.sum([in_top(values) for values in scores.values()], axis=0)
    return {**{f"outlier_{name}": values for name, values in scores.items()}, "outlier_agreement": top.astype(np.int64)}


def strangeness(raw: np.ndarray) -> np.ndarray:
    """Raw values [n] (NaN: not looked at) as scores 0..1: 0 at the median, one half at the limit of the robust z score."""
    middle = np.nanmedian(raw)
    spread = 1.4826 * np.nanmedian(np.abs(raw - middle))
    z = np.maximum(raw - middle, 0) / max(float(spread), 1e-9)
    return np.asarray(1 - 0.5 ** (z / LIMIT))


def in_top(score: np.ndarray) -> np.ndarray:
    """[n] bool: past the limit, and among the highest of the share that a method may name."""
    known = np.nan_to_num(score, nan=0.0)
    allowed = max(1, round(SHARE * int(np.isfinite(score).sum())))
    floor = np.partition(known, -allowed)[-allowed] if allowed <= len(known) else 0.0
    return np.asarray((known > 0.5) & (known >= floor))


def _statistics(part: Catalog) -> np.ndarray:
    """What was measured of the pixels, [n, m]; columns that are not there are left out."""
    found: dict[str, np.ndarray] = {name: part.column(name).astype(np.float64) for name in STATISTICS if part.has(name)}
    if "sharpness" in found:
        found["sharpness"] = np.log(np.maximum(found["sharpness"], 1e-8))
    if part.has("width") and part.has("height"):
        width, height = (np.maximum(part.column(name).astype(np.float64), 1) for name in ("width", "height"))
        found |= {"area": np.log(width * height), "shape": np.log(width / height)}
    columns = [np.nan_to_num(values, nan=float(np.nanmedian(values))) for values in found.values()]
    return np.stack(columns, axis=1) if columns else np.zeros((len(part), 0))


def _forest(values: np.ndarray, seed: int) -> np.ndarray:
    forest = IsolationForest(n_estimators=100, max_samples=min(256, len(values)), random_state=seed)
    return np.asarray(-forest.fit(values).score_samples(values))


def _away(points: np.ndarray, seed: int) -> np.ndarray:
    """Distance to the nearest core point of DBSCAN, in units of its radius: above 1 is noise, [n]."""
    chosen = sample(len(points), FITTED, seed)
    fitted = points[chosen]
    company = min(COMPANY, len(fitted) - 1)
    distance = cKDTree(fitted).query(fitted, k=[company + 1])[0][:, 0]
    radius = max(float(np.quantile(distance, DENSE)), 1e-9)
    cores = DBSCAN(eps=radius, min_samples=company + 1).fit(fitted).components_
    return np.asarray(cKDTree(cores).query(points, k=1)[0] / radius)


def sample(count: int, most: int, seed: int) -> np.ndarray:
    """Sorted positions of at most `most` of `count` rows, the same for the same seed."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
