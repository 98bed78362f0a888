"""Measurements that need a network: embeddings, their clusters, and what cross-validated heads think of the labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.train.features import embed
from snellen.train.job import normal_of
from snellen.train.machine import Setting
from snellen.train.source import Samples

FOLDS = 5
DIMENSIONS = 128


def measure(
    catalog: Catalog, pixels: Pixels, model: nn.Module, setting: Setting, *, size: int, seed: int = 0
) -> Catalog:
    """Add `embedding` [n, d] float16, `cluster` and, for training samples, `label_quality` and `suggested` label.

    Rows that cannot be used have zeros, -1, NaN and an empty suggestion.
    """
    usable = np.flatnonzero(catalog.column("verdict").astype(str) == "ok")
    part = catalog.take(usable)
    mean, std = normal_of(model)
    samples = Samples.of(part, np.zeros(len(part), dtype=np.int64), pixels)
    found = embed(model, samples.plain(size, mean, std), setting)
    whole = np.zeros((len(catalog), found.shape[1]), dtype=np.float16)
    whole[usable] = found
    clusters = np.full(len(catalog), -1, dtype=np.int64)
    clusters[usable] = _clusters(found, seed)
    quality, suggested = np.full(len(catalog), np.nan), np.full(len(catalog), "", dtype=object)
    train = np.flatnonzero(part.column("split").astype(str) == "train")
    quality[usable[train]], suggested[usable[train]] = judge(
        found[train], part.take(train).column("target").astype(str), seed
    )
    return catalog.with_columns(
        {
            "embedding": whole,
            "cluster": clusters,
            "label_quality": quality,
            "suggested": pa.array(suggested, type=pa.string()),
        }
    )


def _clusters(features: np.ndarray, seed: int) -> np.ndarray:
    count = int(np.clip(len(features) // 40, 2, 24))
    small = PCA(min(32, *features.shape), random_state=seed).fit_transform(features)
    return np.asarray(MiniBatchKMeans(count, random_state=seed, n_init=3).fit_predict(small))


def judge(features: np.ndarray, labels: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Out-of-fold probability of the given label [n], and the label that is suggested instead ("" where none is).

    Confident learning (Northcutt, Jiang & Chuang 2021, arXiv:1911.00068, §3): a class is a candidate where its
    probability reaches the mean that its own samples have; the sample is suspect where the best candidate is another
    than its label. Classes of fewer samples than folds are left out: nothing can be said of them.
    """
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    kept = np.flatnonzero(counts[codes] >= FOLDS)
    quality, suggested = np.full(len(labels), np.nan), np.full(len(labels), "", dtype=object)
    if len(np.unique(codes[kept])) < 2:
        return quality, suggested
    present, own = np.unique(codes[kept], return_inverse=True)
    probabilities = _out_of_fold(features[kept], own, seed)
    rows = np.arange(len(own))
    limits = np.asarray([probabilities[own == k, k].mean() for k in range(len(present))])
    candidates = np.where(probabilities >= limits, probabilities, -1.0)
    best = candidates.argmax(axis=1)
    # Not a candidate at all, or a tie with its own label: no suspicion.
    suspect = (candidates.max(axis=1) > 0) & (best != own) & (probabilities[rows, best] > probabilities[rows, own])
    quality[kept] = probabilities[rows, own]
    suggested[kept[suspect]] = names[present[best[suspect]]]
    return quality, suggested


def _out_of_fold(features: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    size = min(DIMENSIONS, features.shape[1], int(len(features) * (1 - 1 / FOLDS)) - 1)
    head = make_pipeline(
        StandardScaler(), PCA(size, random_state=seed), LogisticRegression(C=0.02, max_iter=300, tol=1e-3)
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    found: np.ndarray = cross_val_predict(head, features, labels, cv=folds, method="predict_proba")
    return found
