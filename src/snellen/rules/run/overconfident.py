"""What it does
Compares how sure the model is on validation with how often it is right: the expected calibration error over ten bins of
equally many images, with a bootstrap interval. A finding where the model is more sure than right, and the interval's lower
end lies above 0.05 after what chance alone would give is taken off.

Why it matters
A model that says 99 % and is right in 80 % cannot be given a threshold: nobody can tell which answers to check by hand.

Known problems
A model that is less sure than right (label smoothing, Mixup, averaged weights) errs on the safe side and is not reported:
a temperature mends either. The kept weights are judged, not those of the last epoch. Below 60 images nothing is said.

Source
SPEC S5; C. Guo et al., arXiv:1706.04599; equal-mass bins and bias: R. Roelofs et al., arXiv:2012.08668.
"""

from __future__ import annotations

import numpy as np

from snellen.run import Predictions, Run
from snellen.values import Finding

READS = ("recall",)
BINS = 10


def overconfident(
    run: Run, *, limit: float = 0.05, least: int = 60, draws: int = 400, confidence: float = 0.95
) -> list[Finding]:
    """Find over-confidence on validation.

    `limit`: calibration error that is tolerated; `least`: fewest images; `draws`: bootstrap samples (seeded by the
    number of images, so that the answer is always the same); `confidence`: of the one-sided interval.
    """
    rows = run.predictions("val")
    if not isinstance(rows, Predictions) or len(rows.ids) < least:
        return []
    sure, right = rows.probabilities.max(axis=1).astype(float), rows.correct.astype(float)
    if not np.isfinite(sure).all() or not sure.mean() > right.mean():
        return []
    error, low = calibration(sure, right, draws, confidence)
    if not low > limit:
        return []
    message = (
        f"The model is surer than it is right: {sure.mean():.1%} sure and {right.mean():.1%} right on {len(sure)} validation images; "
        f"calibration error {error:.3f}, at least {low:.3f} (limit {limit:g})."
    )
    evidence = {
        "ece": error,
        "low": low,
        "limit": limit,
        "excess": low / limit,
        "sure": float(sure.mean()),
        "right": float(right.mean()),
        "n": len(sure),
        "confidence": confidence,
    }
    return [
        Finding(rule="overconfident", severity="warn", message=message, evidence=evidence, samples=_surest_wrong(rows))
    ]


def calibration(sure: np.ndarray, right: np.ndarray, draws: int, confidence: float) -> tuple[float, float]:
    """Calibration error of confidences [n] against hits [n], and its lower bound: both less what chance would give."""
    random = np.random.default_rng(len(sure))
    # What a perfectly calibrated model of these confidences would show: the error of bins is never 0.
    chance = float(np.mean([_error(sure, (random.random(len(sure)) < sure).astype(float)) for _ in range(draws // 4)]))
    drawn = random.integers(0, len(sure), (draws, len(sure)))
    found = np.sort([_error(sure[rows], right[rows]) for rows in drawn])
    error = _error(sure, right)
    # A bootstrap sample doubles the noise of the bins: twice what chance gives is taken off.
    low = float(np.quantile(found, 1 - confidence)) - 2 * chance
    return max(0.0, error - chance), max(0.0, low)


def _error(sure: np.ndarray, right: np.ndarray) -> float:
    order = np.argsort(sure, kind="stable")
    gaps = [abs(float(sure[part].mean() - right[part].mean())) * len(part) for part in np.array_split(order, BINS)]
    return sum(gaps) / len(sure)


def _surest_wrong(rows: Predictions, most: int = 50) -> tuple[str, ...]:
    wrong = np.flatnonzero(~rows.correct)
    order = wrong[np.argsort(-rows.probabilities[wrong].max(axis=1), kind="stable")]
    return tuple(rows.ids[row] for row in order[:most])


def _case(sure: list[float], right: list[float], n: int) -> dict[str, object]:
    """`n` images at each confidence, the stated share of them right."""
    targets = [0 if place < round(share * n) else 1 for share in right for place in range(n)]
    probabilities = [[s, 1 - s] for s in sure for _ in range(n)]
    return {"predictions": {"val": {"classes": ["a", "b"], "targets": targets, "probabilities": probabilities}}}


FIRES = (
    _case([0.99], [0.7], 100),
    _case([0.95, 0.999], [0.75, 0.8], 60),
    _case([0.8, 0.9, 0.97], [0.55, 0.6, 0.7], 100),
)
SILENT = (
    _case([0.7, 0.8, 0.9], [0.7, 0.8, 0.9], 50),
    # Less sure than right: smoothing.
    _case([0.7], [0.98], 100),
    # A little too sure, within what so few images show.
    _case([0.9], [0.83], 60),
    # Twelve images say nothing.
    _case([0.99], [0.6], 12),
)
