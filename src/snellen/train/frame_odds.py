"""How probable it is that a drawn box is misplaced, learnt from boxes of the same dataset that were misplaced on purpose.

A forest tells drawn boxes from misplaced ones, for every fold from the images of the others. Its votes, which are never sure, become
probabilities by what they turned out to mean (Platt 1999). These hold for as many misplaced boxes as right ones; how many there are among the drawn ones is estimated from its answers, as the share under which
these are most probable (Saerens, Latinne & Decaestecker 2002, Neural Computation 14:21-41).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression

from snellen.data.boxes import MISPLACED
from snellen.train.drawn import even

TREES, LEAF, TRIED = 200, 5, 0.4
# Right and misplaced examples of which so many are needed, or nothing is said; and examples that are learnt from at most.
FEWEST, MOST = 20, 12_000
# A drawn box that looks right with less than this is not learnt from in the second round.
DOUBTED = 0.25
ROUNDS = 50
LEAST = 1e-3


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one image: what speaks for and against its drawn boxes [m, d], and misplaced ones [k, d] of kind [k] (place in MISPLACED)."""

    drawn: np.ndarray
    misplaced: np.ndarray
    kind: np.ndarray


def frame_odds(evidence: Sequence[Evidence], folds: np.ndarray, *, seed: int) -> list[np.ndarray]:
    """For every image [m, 1 + kinds]: probability that a drawn box is right, and of each kind of fault; NaN where there were too few
    examples."""
    values = np.concatenate([part for item in evidence for part in (item.drawn, item.misplaced)])
    sort = np.concatenate([part for item in evidence for part in (np.zeros(len(item.drawn), int), item.kind + 1)])
    fold = np.repeat(folds, [len(item.drawn) + len(item.misplaced) for item in evidence])
    answers, taken = _answers(values, sort, fold, seed)
    odds = _weighed(_meant(answers, sort, taken)[sort == 0])
    return np.split(odds, np.cumsum([len(item.drawn) for item in evidence])[:-1])


def _answers(values: np.ndarray, sort: np.ndarray, fold: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Votes [n, 1 + kinds] for as many right ones as misplaced ones, out of fold, in two rounds; and which examples [n] bool do not
    look mislabelled."""
    taken = np.ones(len(sort), dtype=bool)
    for _ in range(2):
        found = np.full((len(sort), len(MISPLACED) + 1), np.nan)
        for one in np.unique(fold):
            rows = even(np.flatnonzero((fold != one) & taken), MOST)
            found[fold == one] = _asked(values, sort, rows, values[fold == one], seed)
        taken = (sort > 0) | ~(found[:, 0] < DOUBTED)
    return found, taken


def _asked(values: np.ndarray, sort: np.ndarray, rows: np.ndarray, of: np.ndarray, seed: int) -> np.ndarray:
    found = np.zeros((len(of), len(MISPLACED) + 1))
    wrong = int((sort[rows] > 0).sum())
    if min(wrong, len(rows) - wrong) < FEWEST:
        return np.full_like(found, np.nan)
    forest = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF, max_features=TRIED, random_state=seed)
    forest.fit(values[rows], sort[rows], sample_weight=_balanced(sort[rows]))
    found[:, forest.classes_] = forest.predict_proba(of)
    return found


def _balanced(sort: np.ndarray) -> np.ndarray:
    """Weights [n] under which right ones count half, and every kind of misplaced ones alike."""
    counts = np.bincount(sort, minlength=len(MISPLACED) + 1)
    share = np.where(counts > 0, 1.0, 0.0)
    share[1:] /= max(share[1:].sum(), 1.0)
    return np.asarray((share / np.maximum(counts, 1) * len(sort) / 2)[sort])


def _meant(votes: np.ndarray, sort: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """The votes [n, 1 + kinds] as probabilities: those under which the sorts of the examples were most probable."""
    known = np.isfinite(votes[:, 0])
    found = votes.copy()
    rows = even(np.flatnonzero(known & taken), MOST)
    if not len(rows):
        return found
    told = np.log(np.maximum(votes, LEAST))
    model = LogisticRegression(C=1.0, max_iter=500).fit(told[rows], sort[rows], sample_weight=_balanced(sort[rows]))
    found[known] = 0
    found[np.ix_(known, model.classes_)] = model.predict_proba(told[known])
    return found


def _weighed(answers: np.ndarray) -> np.ndarray:
    """The answers [m, 1 + kinds] for the share of each sort under which they are most probable."""
    known = np.isfinite(answers[:, 0])
    assumed = np.asarray([0.5, *[0.5 / len(MISPLACED)] * len(MISPLACED)])
    share = assumed
    odds = answers.copy()
    for _ in range(ROUNDS if known.any() else 0):
        odds = answers * (share / assumed)
        odds /= np.maximum(odds.sum(axis=1, keepdims=True), 1e-12)
        share = odds[known].mean(axis=0)
    return odds
