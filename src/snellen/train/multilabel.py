"""Multilabel: what heads that have not seen a sample think of its set of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from snellen.train.opinions import NEIGHBOURS, REFERENCES, SHRINKAGES, folds_of, nearest

# A class is judged where so many samples have it and so many have it not.
LEAST = 5
# The given answer (there, or not there) is doubted below this probability, where both heads contradict it.
DOUBT = 0.1


@dataclass(frozen=True, slots=True)
class Sets:
    """`quality` [n]: probability of the least likely given answer of any class, there or not; NaN where nothing was judged.
    `missing` and `extra`: by sample, labels that are doubted to be absent or present."""

    quality: np.ndarray
    missing: list[list[str]]
    extra: list[list[str]]


def judge_sets(points: np.ndarray, labels: Sequence[Sequence[str]], groups: np.ndarray, seed: int = 0) -> Sets:
    """Judge every sample's set of labels by points [n, d], class by class, out of fold.

    The least self-confidence of all classes, as in Thyagarajan et al. 2022, arXiv:2211.13895. Cost: one solve a fold for all classes.
    """
    names = sorted({name for item in labels for name in item})
    place = {name: i for i, name in enumerate(names)}
    there = np.zeros((len(labels), len(names)), dtype=bool)
    for row, item in enumerate(labels):
        there[row, [place[name] for name in item]] = True
    kept = np.flatnonzero((there.sum(axis=0) >= LEAST) & ((~there).sum(axis=0) >= LEAST))
    if not len(kept):
        return Sets(np.full(len(labels), np.nan), [[] for _ in labels], [[] for _ in labels])
    folds = folds_of(np.zeros(len(labels), dtype=np.int64), groups, seed)
    heads = np.stack([_honest(logits, there[:, kept]) for logits in _logits(points, there[:, kept], folds)])
    mean = heads.mean(axis=0)
    own = np.where(there[:, kept], mean, 1 - mean)
    contradicted = ((heads > 0.5) != there[:, kept]).all(axis=0) & (own < DOUBT)
    said = [names[i] for i in kept]
    return Sets(
        own.min(axis=1), _named(contradicted & ~there[:, kept], said), _named(contradicted & there[:, kept], said)
    )


def _named(doubted: np.ndarray, names: list[str]) -> list[list[str]]:
    return [[names[i] for i in np.flatnonzero(row)] for row in doubted]


def _logits(points: np.ndarray, there: np.ndarray, folds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a linear discriminant and of the nearest neighbours, each [n, k]."""
    linear, near = np.empty(there.shape), np.empty(there.shape)
    wanted = there.astype(points.dtype)
    for fold in np.unique(folds):
        inside = folds == fold
        linear[inside] = _discriminant(points[~inside], wanted[~inside], points[inside])
        step = -(-int((~inside).sum()) // REFERENCES)
        known, answers = points[~inside][::step], wanted[~inside][::step]
        count = min(NEIGHBOURS, len(known))
        near[inside] = np.concatenate([answers[rows].mean(axis=1) for rows, _ in nearest(known, points[inside], count)])
    return linear, near


def _discriminant(known: np.ndarray, wanted: np.ndarray, asked: np.ndarray) -> np.ndarray:
    share = SHRINKAGES[1]
    counts = wanted.sum(axis=0)
    middle = known.mean(axis=0)
    with_it = (wanted.T @ known) / np.maximum(counts, 1)[:, None]
    centred = known - middle
    spread = centred.T @ centred / len(known)
    ball = max(float(np.trace(spread)) / len(spread), 1e-12)
    shrunk = (1 - share) * spread + share * ball * np.eye(len(spread), dtype=known.dtype)
    return np.asarray((asked - middle) @ np.linalg.solve(shrunk, (with_it - middle).T))


def _honest(logits: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Probabilities [n, k] by a logistic curve for every class (Platt 1999)."""
    found = np.empty(logits.shape)
    for k in range(logits.shape[1]):
        values = logits[:, [k]] / max(float(logits[:, k].std()), 1e-9)
        found[:, k] = LogisticRegression(C=100.0).fit(values, there[:, k]).predict_proba(values)[:, 1]
    return found
