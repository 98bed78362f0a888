"""Measurements that need a network or labels: embeddings, clusters, what heads think of the labels, outliers, markers, the map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA
from torch import nn

from snellen.catalog import OK, Catalog
from snellen.data.pixels import Pixels
from snellen.train import map as plane
from snellen.train import markers
from snellen.train.judge import Judgement, judge
from snellen.train.machine import Setting
from snellen.train.multilabel import judge_sets
from snellen.train.once import Keeping, features
from snellen.train.outliers import outliers
from snellen.train.outliers import sample as some
from snellen.train.source import Samples

# Directions that heads judge by, and that clusters, outliers and the map read; found on so many samples at most.
JUDGED_BY, SEEN_BY, FITTED = 256, 50, 20_000
CLUSTERED_BY = 32
# A label is shown on the map first, as one to look at, below this quality.
DOUBT = 0.05


def measure(
    catalog: Catalog,
    pixels: Pixels,
    model: nn.Module,
    setting: Setting,
    *,
    size: int,
    seed: int = 0,
    laid: int = plane.FITTED,
) -> Catalog:
    """Add what a network says of the usable samples. An `embedding` that the catalog has already (see `embedded`) is used.
    `laid`: images at most that the map is laid out by.

    Always: `embedding` [n, d] float16; `cluster`; `outlier_<method>` and `outlier_agreement` (train/outliers); `map_pca`, `map_tsne`
    [n, 2] and `map_picture`, a small JPEG of at most 2,000 samples (train/map). Where training samples have a target, of all splits:
    `label_quality`, `label_margin`, `label_votes`, `label_wrong`, `looks_like`, `suggested` (train/judge), and `marker`,
    `marker_box` (train/markers).
    Where they have a set of labels (column `labels`): `label_quality`, `label_missing`, `label_extra` (train/multilabel).
    Rows that cannot be used have zeros, -1, NaN and empty texts. Each image goes through the network once.
    """
    usable = np.flatnonzero(catalog.column("verdict").astype(str) == OK)
    if not len(usable):
        return catalog  # The rules then say that they could not look.
    if not catalog.has("embedding"):
        catalog = embedded(catalog, pixels, model, setting, size=size)
    part = catalog.take(usable)
    rows = pixels.rows_of(part)
    found = part.column("embedding").astype(np.float32)
    lengths = np.linalg.norm(found, axis=1)
    # Directions only: how long a feature is says how much there is to see, not what.
    unit = found / np.maximum(lengths, 1e-9)[:, None]
    points = _reduced(unit, unit, SEEN_BY, seed)
    train = np.flatnonzero(part.column("split").astype(str) == "train")
    judged, columns = _judged(part, unit, lengths, train, seed)
    columns |= {"cluster": _clusters(points, seed)}
    columns |= _marked(part, pixels, rows, train, seed) if judged is not None else {}
    strange = outliers(part, points, judged or Judgement.none(len(part)), seed=seed)
    columns |= strange | plane.layouts(points, seed=seed, fitted=laid)
    columns["map_picture"] = _pictures(part, pixels, rows, columns, seed)
    return catalog.with_columns({name: _whole(name, values, usable, len(catalog)) for name, values in columns.items()})


def embedded(
    catalog: Catalog, pixels: Pixels, model: nn.Module, setting: Setting, *, size: int, keeping: Keeping | None = None
) -> Catalog:
    """Add `embedding` [n, d] float16, the pre-classifier features of the usable samples (zeros for the others). Each image goes
    through the network once; `keeping`: what it gave is kept for the training. Without a usable sample nothing is added."""
    usable = np.flatnonzero(catalog.column("verdict").astype(str) == OK)
    if not len(usable):
        return catalog
    part = catalog.take(usable)
    samples = Samples.of(part, np.zeros(len(part), dtype=np.int64), pixels)
    found = features(model, samples, setting, size=size, keeping=keeping).astype(np.float16)
    return catalog.with_columns({"embedding": _whole("embedding", found, usable, len(catalog))})


def _reduced(fitted: np.ndarray, asked: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Leading directions of `fitted` in `asked`, [n, at most `most`] float32."""
    rows = some(len(fitted), FITTED, seed)
    count = min(most, len(rows) - 1, fitted.shape[1])
    if count < 1:
        return np.zeros((len(asked), 1), dtype=np.float32)
    return np.asarray(PCA(count, random_state=seed).fit(fitted[rows]).transform(asked), dtype=np.float32)


def _clusters(points: np.ndarray, seed: int) -> np.ndarray:
    count = int(np.clip(len(points) // 40, min(2, len(points)), 24))
    method = MiniBatchKMeans(count, random_state=seed, n_init=3)
    return np.asarray(method.fit_predict(points[:, :CLUSTERED_BY]), dtype=np.int64)


def _judged(
    part: Catalog, unit: np.ndarray, lengths: np.ndarray, train: np.ndarray, seed: int
) -> tuple[Judgement | None, dict[str, Any]]:
    """What is thought of the labels, as columns of `part`; nothing where the training samples have none. Only these teach: what
    is left out of training by it must not be chosen by the labels of validation and test."""
    groups = _groups(part)
    if part.has("labels") and len(train):
        points = _reduced(unit[train], unit[train], JUDGED_BY, seed)
        given = [list(item or ()) for item in part.table.column("labels").take(pa.array(train)).to_pylist()]
        sets = judge_sets(points, given, groups[train], seed)
        missing, extra = (_lists(values, train, len(part)) for values in (sets.missing, sets.extra))
        return None, {
            "label_quality": _at(sets.quality, train, len(part)),
            "label_missing": missing,
            "label_extra": extra,
        }
    targets = part.column("target").astype(str)
    if not (targets[train] != "").any():
        return None, {}
    points = _reduced(unit[train], unit, JUDGED_BY, seed)
    learnt = np.isin(np.arange(len(part)), train)
    whole = judge(points, targets, groups, lengths, seed, learnt=learnt)
    names = {"quality": "label_quality", "margin": "label_margin", "votes": "label_votes", "wrong": "label_wrong"}
    return whole, {names.get(n, n): getattr(whole, n) for n in (*names, "looks_like", "suggested")}


def _groups(part: Catalog) -> np.ndarray:
    """Near duplicates share a number, [n]; without the measurement equal contents do."""
    if not part.has("near"):
        return np.unique(part.column("content").astype(str), return_inverse=True)[1]
    near = part.column("near").astype(np.int64)
    return np.where(near >= 0, near, near.max(initial=-1) + 1 + np.arange(len(near)))


def _marked(part: Catalog, pixels: Pixels, rows: np.ndarray, train: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    targets = part.column("target").astype(str)[train]
    found = markers.find(pixels, rows[train], targets, _groups(part)[train], seed=seed)
    numbers = markers.carriers(pixels, rows, found)
    boxes = np.full((len(rows), 4), np.nan)
    for number, marker in enumerate(found):
        boxes[numbers == number] = marker.box
    return {"marker": numbers, "marker_box": boxes}


def _pictures(
    part: Catalog, pixels: Pixels, rows: np.ndarray, columns: Mapping[str, Any], seed: int
) -> list[bytes | None]:
    suspicious = columns["outlier_agreement"] >= 2
    if "label_quality" in columns:
        suspicious |= np.nan_to_num(columns["label_quality"], nan=1.0) < DOUBT
    if part.has("near"):
        suspicious |= part.column("near") >= 0
    chosen = plane.shown(suspicious, seed=seed)
    found: list[bytes | None] = [None] * len(part)
    for row, picture in zip(chosen.tolist(), plane.pictures(pixels.gather(rows[chosen])), strict=True):
        found[row] = picture
    return found


def _at(values: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Values of some rows among `count`: NaN or "" elsewhere."""
    blank: Any = "" if values.dtype == object else np.nan
    whole = np.full(count, blank, dtype=values.dtype)
    whole[rows] = values
    return whole


def _lists(values: list[list[str]], rows: np.ndarray, count: int) -> list[list[str]]:
    whole: list[list[str]] = [[] for _ in range(count)]
    for row, item in zip(rows.tolist(), values, strict=True):
        whole[row] = item
    return whole


def _whole(name: str, values: Any, rows: np.ndarray, count: int) -> Any:
    """A column of the usable rows as one of all rows."""
    if isinstance(values, list):
        places = dict(zip(rows.tolist(), values, strict=True))
        kind = pa.binary() if name == "map_picture" else pa.list_(pa.string())
        return pa.array([places.get(row, None if name == "map_picture" else []) for row in range(count)], type=kind)
    if values.dtype == object:
        return pa.array(_at(values, rows, count), type=pa.string())
    blank = {"cluster": -1, "marker": -1, "embedding": 0, "outlier_agreement": 0}.get(name, np.nan)
    whole = np.full((count, *values.shape[1:]), blank, dtype=values.dtype)
    whole[rows] = values
    return whole
