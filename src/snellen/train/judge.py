"""Judge: what heads that have not seen a sample think of its label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snellen.train.noise import wrong
from snellen.train.opinions import folds_of, opinions

# A class of fewer samples cannot be learnt from what the other folds hold of it.
LEAST = 5
# Small sets are dealt into folds so many times: which samples a fold holds by chance moves a score as much as any head does.
DEALS, SMALL = 3, 20_000
# Differences between probabilities below this are noise.
FLOOR = 1e-4


@dataclass(frozen=True, slots=True)
class Judgement:
    """Of every sample [n]; NaN and "" where it was not judged (a class of fewer than five samples).

    `quality`: mean probability of the given label. `margin`: logarithm of how many times likelier it is than the best other class,
    in nats; below 0 another class is likelier. Both rank labels, worst first; the margin a little better.
    `votes`: share of the heads that prefer another class, 0..1. `looks_like`: the likeliest class. `suggested`: the same where it
    is not the label, else "". `wrong`: probability that the label is wrong (train/noise). `gradient`: norm of the head's
    gradient. `disagreement`: how far the heads are apart, in nats.
    """

    quality: np.ndarray
    margin: np.ndarray
    votes: np.ndarray
    looks_like: np.ndarray
    suggested: np.ndarray
    wrong: np.ndarray
    gradient: np.ndarray
    disagreement: np.ndarray

    @classmethod
    def none(cls, count: int) -> Judgement:
        """Nothing was judged."""
        numbers = [np.full(count, np.nan) for _ in range(6)]
        texts = [np.full(count, "", dtype=object) for _ in range(2)]
        return cls(*numbers[:3], *texts, *numbers[3:])


def judge(
    points: np.ndarray, labels: np.ndarray, groups: np.ndarray, norms: np.ndarray, seed: int = 0, *,
    learnt: np.ndarray | None = None,
) -> Judgement:  # fmt: skip
    """Judge labels [n] (text, "" for none) by points [n, d]; samples of one group [n] are never judged by each other, and only
    those that are `learnt` [n] bool (None: all) teach the heads and set the temperatures.

    Self-confidence of out-of-fold probabilities, the score that confident learning ranks by (Northcutt, Jiang & Chuang 2021,
    arXiv:1911.00068, §3.2). `norms` [n]: lengths of the features, for the gradient: that of cross-entropy with respect to a linear
    head's weights is the outer product of (p - y) and the features, so its norm is the product of both norms.
    """
    result = Judgement.none(len(labels))
    learnt = np.ones(len(labels), dtype=bool) if learnt is None else learnt
    names, codes = np.unique(labels.astype(str), return_inverse=True)
    counts = np.bincount(codes[learnt], minlength=len(names))
    kept = np.flatnonzero((counts[codes] >= LEAST) & (names[codes] != ""))
    present, own = np.unique(codes[kept], return_inverse=True)
    if len(present) < 2:
        return result
    deals = [folds_of(own, groups[kept], seed + deal) for deal in range(DEALS if len(own) <= SMALL else 1)]
    shares = np.mean([np.exp(opinions(points[kept], own, folds, learnt[kept])) for folds in deals], axis=0)
    _fill(result, kept, names[present], own, shares, learnt[kept])
    result.gradient[kept] *= norms[kept]
    return result


def _fill(
    result: Judgement, kept: np.ndarray, names: np.ndarray, own: np.ndarray, heads: np.ndarray, learnt: np.ndarray
) -> None:
    """`heads` [heads, n, k]: probabilities of the classes `names`; `own` [n] the given class; the noise of the
    `learnt` [n] and that of the others are two."""
    rows = np.arange(len(own))
    sure = heads.mean(axis=0)
    for part in (learnt, ~learnt):
        if part.any():
            result.wrong[kept[part]] = wrong(sure[part], own[part])
    quality = sure[rows, own].copy()
    residual = sure.copy()
    residual[rows, own] -= 1
    sure[rows, own] = -1.0
    other = sure.argmax(axis=1)
    sure[rows, own] = quality
    result.quality[kept] = quality
    result.margin[kept] = np.log(quality + FLOOR) - np.log(sure[rows, other] + FLOOR)
    result.votes[kept] = (heads.argmax(axis=2) != own).mean(axis=0)
    result.looks_like[kept] = names[sure.argmax(axis=1)]
    result.suggested[kept] = np.where(sure[rows, other] > quality, names[other], "")
    result.gradient[kept] = np.linalg.norm(residual, axis=1)
    result.disagreement[kept] = _disagreement(heads)


def _disagreement(heads: np.ndarray) -> np.ndarray:
    """Entropy of the mean opinion less the mean entropy of the opinions: high where each head is sure of something else."""
    apart = [_entropy(shares) for shares in heads]
    return np.asarray(np.maximum(_entropy(heads.mean(axis=0)) - np.mean(apart, axis=0), 0.0))


def _entropy(shares: np.ndarray) -> np.ndarray:
    return np.asarray(-(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1))
