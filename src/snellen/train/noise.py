"""Noise: how probable it is that a label is wrong, from what heads think of it and how often they are surprised."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

# Logarithms of the powers among which the best is sought, and how many samples it is sought on.
POWERS = np.linspace(-1.0, 2.4, 18)
FITTED = 5_000
ROUNDS, START = 40, 0.05
TINY = 1e-300


def wrong(shares: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Probability [n] that the given label is wrong, from out-of-fold class probabilities [n, k] and labels [n] in 0..k-1.

    A label is the true class with probability 1 - e and any other one else (symmetric noise: Natarajan et al. 2013,
    Learning with noisy labels, for two classes). The shares, raised to a power, are taken for the probabilities of the true
    class; power and e are those that make the labels most likely (e by expectation maximisation), so that neither has to be
    known. The mean over some samples is then the share of wrong labels to be expected among them. Cost: linear.
    """
    rows = np.arange(len(labels))
    some = rows if len(rows) <= FITTED else np.random.default_rng(seed).choice(rows, FITTED, replace=False)
    logs = np.log(shares[some] + 1e-6)
    others = shares.shape[1] - 1

    def loss(power: float) -> float:
        own = _own(logs, labels[some], power)
        rate = _rate(own, others)
        return -float(np.log((1 - rate) * own + rate / others * (1 - own) + TINY).mean())

    start = POWERS[int(np.argmin([loss(power) for power in POWERS]))]
    step = POWERS[1] - POWERS[0]
    power = minimize_scalar(loss, bounds=(start - step, start + step), method="bounded", options={"xatol": 0.01}).x
    rate = _rate(_own(logs, labels[some], power), others)
    return _posterior(_own(np.log(shares + 1e-6), labels, power), rate, others)


def _own(logs: np.ndarray, labels: np.ndarray, power: float) -> np.ndarray:
    """The probability of the label's class, [n]."""
    values = np.exp(power) * (logs - logs.max(axis=1, keepdims=True))
    chosen = values[np.arange(len(labels)), labels]
    return np.asarray(np.exp(chosen) / np.exp(values).sum(axis=1))


def _rate(own: np.ndarray, others: int) -> float:
    rate = START
    for _ in range(ROUNDS):
        rate = float(_posterior(own, rate, others).mean())
    return rate


def _posterior(own: np.ndarray, rate: float, others: int) -> np.ndarray:
    stray = rate / others * (1 - own)
    return np.asarray(stray / ((1 - rate) * own + stray + TINY))
