"""How probable it is that a drawn box is misplaced, learnt from boxes of the same dataset that were misplaced on purpose.

A forest tells drawn boxes from misplaced ones, for every fold from the images of the others. What it says holds for as many
misplaced boxes as right ones; how many there are among the drawn ones is estimated from its answers, as the share under which
these are most probable (Saerens, Latinne & Decaestecker 2002, Neural Computation 14:21-41).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from snellen.data.boxes import MISPLACED

TREES, LEAF, TRIED = 200, 5, 0.4
# Right and misplaced examples of which so many are needed, or nothing is said.
FEWEST = 20
# A drawn box that looks right with less than this is not learnt from in the second round.
DOUBTED = 0.25
ROUNDS = 50


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
    answers = _answers(values, sort, fold, seed)
    drawn = sort == 0
    odds = _weighed(answers[drawn])
    return np.split(odds, np.cumsum([len(item.drawn) for item in evidence])[:-1])


def _answers(values: np.ndarray, sort: np.ndarray, fold: np.ndarray, seed: int) -> np.ndarray:
    """[n, 1 + kinds] for as many right ones as misplaced ones, out of fold, in two rounds."""
    taken = np.ones(len(sort), dtype=bool)
    for _ in range(2):
        found = np.full((len(sort), len(MISPLACED) + 1), np.nan)
        for one in np.unique(fold):
            rows = np.flatnonzero((fold != one) & taken)
            found[fold == one] = _asked(values, sort, rows, values[fold == one], seed)
        taken = (sort > 0) | ~(found[:, 0] < DOUBTED)
    return found


def _asked(values: np.ndarray, sort: np.ndarray, rows: np.ndarray, of: np.ndarray, seed: int) -> np.ndarray:
    found = np.zeros((len(of), len(MISPLACED) + 1))
    wrong = int((sort[rows] > 0).sum())
    right = len(rows) - wrong
    if min(right, wrong) < FEWEST:
        return np.full_like(found, np.nan)
    weight = np.where(sort[rows] > 0, right / wrong, 1.0)
    forest = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF, max_features=TRIED, random_state=seed)
    forest.fit(values[rows], sort[rows], sample_weight=weight)
    found[:, forest.classes_] = forest.predict_proba(of)
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
