from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from snellen.run import Predictions

CLASSES = ("blue", "green", "red", "white")
SHARES = (0.4, 0.3, 0.2, 0.1)


def record(
    runs: int, samples: int, *, seed: int = 0, spread: float = 0.05, gain: float = 0.0, start: int = 0
) -> list[Predictions]:
    """Recorded runs of one recipe: logits = what the sample is like + what the seed did + the rest; about 80 % right.

    `spread` is the seeds' own (logits; 0.05 makes 0.8 points of accuracy, 0.25 four), `gain` what a better recipe adds
    to the target's logit; runs `start` onwards, so that two calls with one seed give two arms on the same samples.
    """
    place = np.random.default_rng(seed)
    targets = place.choice(len(CLASSES), size=samples, p=SHARES)
    right = np.eye(len(CLASSES))[targets]
    sample = place.normal(0, 1.2, (samples, len(CLASSES))) + 2.6 * right
    ids = tuple(f"sample{number}" for number in range(samples))
    found = []
    for number in range(start, start + runs):
        random = np.random.default_rng((seed, number))
        skill = random.normal(0, spread) + gain
        rest = random.normal(0, 0.6, sample.shape) + random.normal(0, spread, len(CLASSES))
        logits = sample + rest + skill * right
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        found.append(Predictions(ids, targets, probabilities, CLASSES))
    return found


@pytest.fixture(scope="session")
def recorded() -> Callable[..., list[Predictions]]:
    return record
