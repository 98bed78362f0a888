"""Temperature: one number that logits are divided by, so that a classifier is as sure as it is right.

Guo et al. 2017, On Calibration of Modern Neural Networks (arXiv:1706.04599), section 4.2. The order of the classes stays, and with it
every answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from snellen.rows import FLOOR, Predictions

# Logarithms of the least and the largest temperature.
HEATS = (-2.5, 2.5)


def temperature(rows: Predictions) -> float:
    """The temperature at which the log loss of these rows is least; 1 of no rows."""
    logits = _logits(rows)

    def loss(log_heat: float) -> float:
        chosen = _log_probabilities(logits, float(np.exp(log_heat)))[np.arange(len(logits)), rows.targets]
        return -float(np.maximum(chosen, np.log(FLOOR)).mean())

    if not len(rows.ids):
        return 1.0
    return float(np.exp(minimize_scalar(loss, bounds=HEATS, method="bounded", options={"xatol": 1e-3}).x))


def at(rows: Predictions, heat: float) -> Predictions:
    """The rows as they are at this temperature (of what they say now)."""
    return replace(rows, probabilities=np.exp(_log_probabilities(_logits(rows), heat)))


def crossed(rows: Predictions) -> Predictions:
    """Each half of the rows, drawn by id, at the temperature that was fitted on the other half: none has a part in its own."""
    half = np.asarray([_half(sample) for sample in rows.ids], dtype=bool)
    probabilities = np.zeros(rows.probabilities.shape)
    for part in (False, True):
        own, other = np.flatnonzero(half == part), np.flatnonzero(half != part)
        probabilities[own] = at(rows.take(own), temperature(rows.take(other))).probabilities
    return replace(rows, probabilities=probabilities)


def _half(sample: str) -> bool:
    return bool(hashlib.blake2b(sample.encode(), digest_size=1).digest()[0] & 1)


def _logits(rows: Predictions) -> np.ndarray:
    return np.asarray(np.log(np.clip(rows.probabilities.astype(np.float64), FLOOR, 1.0)))


def _log_probabilities(logits: np.ndarray, heat: float) -> np.ndarray:
    return np.asarray(log_softmax(logits / heat, axis=1))
