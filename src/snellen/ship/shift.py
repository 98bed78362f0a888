"""Shift: how well two sets of images can be told apart (SPEC V1).

Proxy A-distance (Ben-David et al. 2007, "Analysis of Representations for Domain Adaptation", section 5; Glorot et al. 2011): a linear
classifier is asked which set an image is of; with its error e on images that it was not fitted on it is 2 (1 - 2 e), 0 where they cannot be
told apart and 2 where they always can.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from snellen.tasks._intervals import wilson

# Of each set at most, and folds; with fewer of either there is nothing to be sure of.
MOST, FOLDS, LEAST = 1000, 5, 20


def proxy_distance(one: np.ndarray, other: np.ndarray, *, seed: int = 0) -> dict[str, Any] | None:
    """{"distance", "low", "high", "n"} of features [n, d] and [m, d]; None with fewer than LEAST of either.

    As many of each are taken, so that guessing is wrong half of the time. The interval is that of the error over images (Wilson).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    number = min(len(one), len(other), MOST)
    if number < LEAST:
        return None
    chance = np.random.default_rng(seed)
    both = np.concatenate([part[chance.choice(len(part), number, replace=False)] for part in (one, other)])
    of = np.repeat([0, 1], number)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    said = cross_val_predict(model, both, of, cv=StratifiedKFold(FOLDS, shuffle=True, random_state=seed))
    low, high = wilson(int((said != of).sum()), 2 * number)
    error = float((said != of).mean())
    return {"distance": _distance(error), "low": _distance(high), "high": _distance(low), "n": 2 * number}


def _distance(error: float) -> float:
    # A classifier that is wrong more often than right has told nothing apart.
    return max(0.0, 2 * (1 - 2 * error))
