"""How well embeddings find and recognise: recall@k and verification, pure functions of features [n, d] and targets [n].

Images of one class are looked for among all others by the cosine of their features, so that features of any length can be judged,
those of ArcFace (Deng et al. 2019, arXiv:1801.07698) as well as those of a triplet loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from snellen.tasks._intervals import wilson

RANKS = (1, 5)
# Queries at most, evenly taken: each is compared with every image.
QUERIES, CHUNK = 10_000, 512
# Pairs of images for verification, half of them of one class, and the parts that the threshold is found on in turn (LFW's way).
PAIRS, PARTS = 4000, 10


def retrieval(features: np.ndarray, targets: np.ndarray) -> dict[str, dict[str, Any]]:
    """`recall_at_1`, `recall_at_5`, `verification`: {"value", "low", "high", "n"}; None where no class has two images.

    Recall@k: the share of images of whose k nearest others at least one is of their class (Musgrave et al. 2020,
    arXiv:2003.08505, §3); images that are alone in their class are not asked for. Verification: the share of pairs that are
    told to be of one class or not by a threshold of the cosine; `threshold` is the best of all pairs. Pairs share images,
    so that its interval counts images, not pairs.
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    ranks = _ranks(unit.astype(np.float32), targets)
    found = {f"recall_at_{k}": _share(ranks <= k, len(ranks)) for k in RANKS}
    left, right, same = pairs(targets)
    alike = (unit[left] * unit[right]).sum(axis=1)
    told = verified(alike, same)
    about = (
        {"threshold": best_threshold(alike, same), "pairs": len(same)} if len(same) else {"threshold": None, "pairs": 0}
    )
    return {**found, "verification": {**_share(told == same, len(targets)), **about}}


def _share(right: np.ndarray, n: int) -> dict[str, Any]:
    """A share with Wilson's interval, as if it were of n."""
    if not len(right):
        return {"value": None, "low": None, "high": None, "n": 0}
    value = float(right.mean())
    # Rounded to a whole number of n, the interval must still hold the value.
    low, high = wilson(round(value * n), n)
    return {"value": value, "low": min(low, value), "high": max(high, value), "n": n}


def _ranks(unit: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """For every query the rank (from 1) of the nearest other image of its class."""
    _, codes, counts = np.unique(targets, return_inverse=True, return_counts=True)
    asked = np.flatnonzero(counts[codes] > 1)
    asked = (
        asked[np.unique(np.linspace(0, len(asked) - 1, min(len(asked), QUERIES)).astype(int))] if len(asked) else asked
    )
    found = []
    for start in range(0, len(asked), CHUNK):
        rows = asked[start : start + CHUNK]
        alike = unit[rows] @ unit.T
        alike[np.arange(len(rows)), rows] = -np.inf
        own = np.where(codes[rows][:, None] == codes, alike, -np.inf).max(axis=1)
        # What is as near as the own one counts as nearer: many equal features must not look like a good ranking.
        others = (alike >= own[:, None]) & (codes[rows][:, None] != codes)
        found.append(1 + others.sum(axis=1))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def pairs(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Up to PAIRS pairs of different images, half of one class: left, right, whether they are of one class. Always the same."""
    chance = np.random.default_rng(0)
    drawn = chance.integers(0, len(targets), (60 * PAIRS, 2))
    drawn = drawn[drawn[:, 0] != drawn[:, 1]]
    same = targets[drawn[:, 0]] == targets[drawn[:, 1]]
    half = min(PAIRS // 2, int(same.sum()), int((~same).sum()))
    rows = np.sort(np.concatenate([np.flatnonzero(same)[:half], np.flatnonzero(~same)[:half]]))
    return drawn[rows, 0], drawn[rows, 1], same[rows]


def verified(alike: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Whether each pair is told to be of one class; the threshold of every tenth is the best of the others."""
    part = np.arange(len(same)) % PARTS
    told = np.zeros(len(same), bool)
    for one in range(PARTS):
        known, asked = part != one, part == one
        if known.any() and asked.any():
            told[asked] = alike[asked] >= best_threshold(alike[known], same[known])
    return told


def best_threshold(alike: np.ndarray, same: np.ndarray) -> float:
    """The least cosine that counts as one class, where most pairs are told right."""
    order = np.argsort(-alike, kind="stable")
    # With the first i pairs called the same: those of them that are, and of the rest those that are not.
    right = np.cumsum(same[order]) + (~same).sum() - np.cumsum(~same[order])
    return float(alike[order][right.argmax()])
