"""Opinions: class probabilities of samples from heads that have not seen them, several heads at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import minimize_scalar

# Ten folds: with nine tenths of a small class a head knows it nearly as well as with all of it.
FOLDS = 10
# Shrinkage of the covariance towards a ball; the middle one was best alone, its neighbours make the mean steadier.
SHRINKAGES = (0.2, 0.35, 0.5)
RIDGE = 10.0
NEIGHBOURS, SHARPNESS, LEAST = 15, 0.1, 0.02
# Neighbours are sought among so many samples at most, and for so many at a time: cost and memory stay linear.
REFERENCES, AT_ONCE = 20_000, 2048

Head = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]


def folds_of(labels: np.ndarray, groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """Fold of every sample, [n]: a group stays in one fold, and the groups of a class are dealt out evenly.

    Copies of an image in two folds would let a wrong label vouch for itself. The class of a group is that of its first
    sample. Cost: two sorts.
    """
    _, first, member = np.unique(groups, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(first))
    dealt = shuffled[np.argsort(labels[first][shuffled], kind="stable")]
    fold = np.empty(len(first), dtype=np.int64)
    fold[dealt] = np.arange(len(first)) % FOLDS
    return np.asarray(fold[member])


def opinions(points: np.ndarray, labels: np.ndarray, folds: np.ndarray, learnt: np.ndarray | None = None) -> np.ndarray:
    """Calibrated log probabilities [heads, n, k] float32 out of fold; points [n, d], labels [n] in 0..k-1. Only the samples that
    are `learnt` [n] bool (None: all) are shown to the heads and set the temperatures.

    Heads: linear discriminants at three shrinkages (Friedman 1989, doi:10.1080/01621459.1989.10478752), least squares with a
    ridge, and the nearest neighbours' vote. Each is brought to honest probabilities by one temperature (Guo et al. 2017,
    arXiv:1706.04599), so that no head drowns the others. Memory: 4 · heads · n · k bytes.
    """
    classes = int(labels.max()) + 1
    heads = (*(_discriminant(share) for share in SHRINKAGES), _least_squares, _neighbours)
    learnt = np.ones(len(labels), dtype=bool) if learnt is None else learnt
    found = [out_of_fold(head, points, labels, folds, classes, learnt) for head in heads]
    return np.stack([_calibrated(logits, labels, learnt) for logits in found])


def out_of_fold(
    head: Head, points: np.ndarray, labels: np.ndarray, folds: np.ndarray, classes: int, learnt: np.ndarray
) -> np.ndarray:
    """The head's logits [n, k] for every sample, made from what is `learnt` [n] bool without the sample's fold."""
    found = np.empty((len(points), classes), dtype=np.float32)
    for fold in np.unique(folds):
        inside = folds == fold
        known = ~inside & learnt
        found[inside] = head(points[known], labels[known], points[inside], classes)
    return found


def _discriminant(share: float) -> Head:
    def head(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, classes: int) -> np.ndarray:
        counts = np.bincount(labels, minlength=classes)
        sums = np.zeros((classes, known.shape[1]), dtype=known.dtype)
        np.add.at(sums, labels, known)
        middles = sums / np.maximum(counts, 1)[:, None]
        spread = (known.T @ known - (middles * counts[:, None]).T @ middles) / max(len(known), 1)
        ball = max(float(np.trace(spread)) / len(spread), 1e-12)
        shrunk = (1 - share) * spread + share * ball * np.eye(len(spread), dtype=known.dtype)
        weights = np.linalg.solve(shrunk, middles.T)
        logits = asked @ weights - 0.5 * (middles.T * weights).sum(axis=0)
        # A class that only this fold holds is unknown here.
        logits[:, counts == 0] = logits.min(initial=0.0) - 1.0
        return np.asarray(logits)

    return head


def _least_squares(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, classes: int) -> np.ndarray:
    wanted = np.eye(classes, dtype=known.dtype)[labels] - 1 / classes
    scale = RIDGE * float((known**2).sum()) / known.shape[1] + 1e-9
    weights = np.linalg.solve(known.T @ known + scale * np.eye(known.shape[1], dtype=known.dtype), known.T @ wanted)
    shares = asked @ weights + 1 / classes
    return np.asarray(np.log(np.maximum(shares, 1e-3)))


def _neighbours(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, classes: int) -> np.ndarray:
    step = -(-len(known) // REFERENCES)
    known, labels = known[::step], labels[::step]
    votes = np.full((len(asked), classes), LEAST, dtype=np.float32)
    start = 0
    for rows, alike in nearest(known, asked, min(NEIGHBOURS, len(known))):
        weights = np.exp((alike - alike.max(axis=1, keepdims=True)) / SHARPNESS)
        places = np.repeat(np.arange(start, start + len(rows)), rows.shape[1])
        np.add.at(votes, (places, labels[rows].reshape(-1)), weights.reshape(-1))
        start += len(rows)
    return np.log(votes)


def nearest(known: np.ndarray, asked: np.ndarray, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of the `count` most alike of `known` and their cosines, each [b, count], for `asked` in parts."""
    known = _unit(known)
    for start in range(0, len(asked), AT_ONCE):
        alike = _unit(asked[start : start + AT_ONCE]) @ known.T
        rows = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        yield rows, np.take_along_axis(alike, rows, axis=1)


def _unit(points: np.ndarray) -> np.ndarray:
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9))


def _calibrated(logits: np.ndarray, labels: np.ndarray, learnt: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(learnt)
    seen, own = logits[rows], labels[rows]

    def loss(power: float) -> float:
        return -float(log_softmax(seen * np.float32(np.exp(power)))[np.arange(len(own)), own].mean())

    best = minimize_scalar(loss, bounds=(-8.0, 4.0), method="bounded", options={"xatol": 0.02}).x
    return log_softmax(logits * np.float32(np.exp(best)))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the probabilities along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
