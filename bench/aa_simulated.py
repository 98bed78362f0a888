"""How often the proof adopts what is no remedy, and what is one, on simulated runs: a table of rates.

    python bench/aa_simulated.py [--repetitions 1000] [--seeds 3] [--trials 1]

Latent-difficulty model: a sample is right where difficulty + skill of the seed + rest is above 0 (difficulty spreads by
2, rest by 0.8; about 85 % are right). The seeds' spread (logits) may differ between the arms; the printed points of
accuracy are its size. A remedy of about 5 points adds 0.6, unlike from sample to sample.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np

from snellen.improve.aa import look_through
from snellen.run import Predictions

SAMPLES = (90, 200, 400, 1500)
SPREADS = ((0.0, 0.0), (0.15, 0.15), (0.4, 0.4), (0.4, 0.0), (0.6, 0.1))
MEAN, DIFFICULTY, REST, GAIN, UNLIKE = 2.2, 2.0, 0.8, 0.6, 0.5


def arm(random: np.random.Generator, latent: np.ndarray, *, seeds: int, spread: float) -> list[Predictions]:
    """Runs of one arm: right where the latent score is above 0."""
    ids, targets = tuple(map(str, range(len(latent)))), np.zeros(len(latent), dtype=np.int64)
    found = []
    for _ in range(seeds):
        right = (latent + random.normal(0, spread) + random.normal(0, REST, len(latent)) > 0).astype(float)
        found.append(Predictions(ids, targets, np.stack([right, 1 - right], axis=1), ("right", "wrong")))
    return found


def rate(
    samples: int, spreads: tuple[float, float], *, gain: float, seeds: int, trials: int, repetitions: int
) -> float:
    """Share of repetitions that adopt."""
    random = np.random.default_rng((samples, int(1000 * spreads[0]), int(1000 * spreads[1]), int(1000 * gain)))
    adopted = 0
    for _ in range(repetitions):
        latent = MEAN + random.normal(0, DIFFICULTY, samples)
        helped = latent + (gain + random.normal(0, UNLIKE, samples) if gain else 0.0)
        before = arm(random, latent, seeds=seeds, spread=spreads[0])
        after = arm(random, helped, seeds=seeds, spread=spreads[1])
        adopted += look_through(before, after, metric="accuracy", looks=trials * (seeds - 1))[0] == "adopt"
    return adopted / repetitions


def points(spread: float) -> float:
    """Standard deviation of accuracy over seeds, in points, that a spread of skill makes."""
    random = np.random.default_rng(0)
    latent = MEAN + random.normal(0, DIFFICULTY, 20_000)
    return float(100 * np.std([run.correct.mean() for run in arm(random, latent, seeds=30, spread=spread)]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="rates of false and true adoptions on simulated runs")
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3, help="most seeds of one arm")
    parser.add_argument("--trials", type=int, default=1, help="remedies that share the budget of 5 %%")
    given = parser.parse_args()
    print("| samples | seeds' spread, points | false adoptions | of a gain of 5 points |\n|---|---|---|---|")
    for samples, spreads in itertools.product(SAMPLES, SPREADS):
        rates = [
            rate(samples, spreads, gain=g, seeds=given.seeds, trials=given.trials, repetitions=given.repetitions)
            for g in (0.0, GAIN)
        ]
        size = " and ".join(f"{points(spread):.1f}" for spread in spreads)
        print(f"| {samples} | {size} | {100 * rates[0]:.1f} % | {100 * rates[1]:.0f} % |", flush=True)


if __name__ == "__main__":
    main()
