"""Pair: the effect of a candidate against a baseline, with an interval over both seeds and samples.

Model. The score of arm a with seed s on sample i is mean + seed effect + sample effect + rest, all random and crossed.
Arms meet the same samples, so samples are paired: d[s, i] = w[i] (candidate[s, i] - baseline[s, i]), and

    Var(mean d) = var_seed / S + var_sample / N + var_rest / (S N)
                = (MS_seed + MS_sample - MS_rest) / (S N),      each of the two excesses over MS_rest clipped at 0

with the mean squares of the two-way layout without replication (Searle, Casella & McCulloch, Variance Components, 1992,
chapter 4). MS_sample and MS_rest are those of d. The part of the seeds is *not* read off d, which would leave S - 1
degrees of freedom (one, for two seeds): sharing a seed does not make two recipes' runs alike, so it is the sum of what
each arm's own seeds show, MS_seed = MS_rest + sum over arms of (MS_seed - MS_rest of the arm), with Welch's degrees of
freedom, between S - 1 and 2 (S - 1). Where sharing the seed does help, the interval is too wide, never too narrow.

The interval is mean ± t × sqrt(Var), t with Satterthwaite's degrees of freedom (Welch 1947, Satterthwaite 1946) of
the sum of mean squares. A clipped part keeps its share there: two seeds cannot show that the seed does not matter.
Simulated on a latent-difficulty model (bench/aa_simulated.py: 90 to 1500 samples; seeds from without effect to 5
points, alike and unlike in the two arms; looks at 2 and 3 seeds, 5 % planned) this adopts what is no remedy in at most
4.8 % of repetitions; the textbook form (seeds from d, a clipped part dropped with its degrees of freedom) in up to
9.3 %, pooled degrees of freedom instead of Welch's in up to 7.9 %. Two seeds decide little: a gain of 5 points on 400
samples, seeds within 1 point, is adopted in about 45 % with 2 seeds, 90 % with 3.

That seeds and samples both belong into the interval: Bouthillier et al., Accounting for Variance in Machine Learning
Benchmarks, MLSys 2021.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from snellen.improve.score import scores
from snellen.rows import Rows
from snellen.values import SnellenError

# Past this many samples "more samples" is no advice.
MOST = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Variance of d by its source (units of the metric, squared), and the degrees of freedom of the seeds' part."""

    seed: float
    sample: float
    rest: float
    df_seed: float

    def error(self, seeds: int, samples: int) -> tuple[float, float]:
        """Standard error of the mean and its Satterthwaite degrees of freedom, for this many seeds and samples."""
        if seeds == 1:
            return math.sqrt(self.sample / samples), samples - 1.0
        mean_squares = (samples * self.seed + self.rest, seeds * self.sample + self.rest, self.rest)
        freedoms = (self.df_seed, samples - 1.0, (seeds - 1.0) * (samples - 1.0))
        total = mean_squares[0] + mean_squares[1] - mean_squares[2]
        if total <= 0:
            return 0.0, freedoms[1]
        df = total**2 / sum(square**2 / freedom for square, freedom in zip(mean_squares, freedoms, strict=True))
        return math.sqrt(total / (seeds * samples)), max(df, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Candidate minus baseline in units of `metric`, positive is better; `low` to `high` covers with chance `level`.

    `baseline` and `candidate` are the arms' means over seeds. With one seed the interval is over samples only: it
    says nothing about other seeds and can never adopt.
    """

    metric: str
    effect: float
    low: float
    high: float
    level: float
    samples: int
    seeds: int
    baseline: float
    candidate: float
    spread: Spread

    def at(self, level: float) -> Effect:
        """The same effect with the interval of another level."""
        reach = _reach(self.spread, self.seeds, self.samples, level)
        return dataclasses.replace(self, low=self.effect - reach, high=self.effect + reach, level=level)


def pair(baseline: Sequence[Rows], candidate: Sequence[Rows], *, metric: str, level: float) -> Effect:
    """Pair two arms: by position (rows of one run per seed, same seeds in the same order) and by sample id.

    Raises SnellenError where the arms differ in length, samples, targets or classes, or hold fewer than 2 samples.
    """
    if not baseline or len(baseline) != len(candidate):
        raise SnellenError(
            f"arms pair by seed: got {len(baseline)} baseline and {len(candidate)} candidate runs, expected as many"
        )
    reference = baseline[0]
    if len(reference.ids) < 2:
        raise SnellenError(
            f"an interval needs 2 samples or more, got {len(reference.ids)}; give the validation split some"
        )
    before = np.stack([_weighted(rows, reference, metric) for rows in baseline])
    after = np.stack([_weighted(rows, reference, metric) for rows in candidate])
    return pair_scores(before, after, metric=metric, level=level)


def pair_scores(before: np.ndarray, after: np.ndarray, *, metric: str, level: float) -> Effect:
    """`pair` of scores that are at hand: both [seeds, samples], the same seeds and samples in the same order."""
    seeds, samples = before.shape
    zero = Effect(
        metric=metric,
        effect=float((after - before).mean()),
        low=0.0,
        high=0.0,
        level=level,
        samples=samples,
        seeds=seeds,
        baseline=float(before.mean()),
        candidate=float(after.mean()),
        spread=_spread(before, after),
    )
    return zero.at(level)


def needed_samples(effect: Effect, *, margin: float = 0.0) -> int | None:
    """Validation samples with which this effect, seen again with this spread and these seeds, would be decided.

    Decided means that the interval leaves 0 below it, or (with a margin) all that is worth having above it. None
    where no number would do, because the seeds alone spread too far: then more seeds are needed.
    """
    target = max(effect.effect, margin - effect.effect)
    if target <= 0 or _reach(effect.spread, effect.seeds, MOST, effect.level) >= target:
        return None
    few, many = 2, MOST
    while few < many:
        middle = (few + many) // 2
        if _reach(effect.spread, effect.seeds, middle, effect.level) < target:
            many = middle
        else:
            few = middle + 1
    return many


def _reach(spread: Spread, seeds: int, samples: int, level: float) -> float:
    if not 0 < level < 1:
        raise SnellenError(f"the level of an interval is {level}, expected a number between 0 and 1, such as 0.95")
    error, df = spread.error(seeds, samples)
    return float(student.ppf((1 + level) / 2, df)) * error


def _weighted(rows: Rows, reference: Rows, metric: str) -> np.ndarray:
    """Value × weight [n] in the reference's order of samples."""
    values, weights = scores(rows, metric)
    order = _order(rows, reference)
    if type(rows) is not type(reference) or not rows.agrees(reference, order):
        raise SnellenError(
            "the arms answer different questions: targets or class names differ; train both on one catalog"
        )
    return (values * weights)[order]


def _order(rows: Rows, reference: Rows) -> np.ndarray:
    place = {sample: row for row, sample in enumerate(rows.ids)}
    missing = [sample for sample in reference.ids if sample not in place]
    if missing or len(place) != len(reference.ids) or len(rows.ids) != len(place):
        lost = f", {missing[0]!r} among the missing" if missing else ""
        raise SnellenError(
            f"arms pair by sample: {len(reference.ids)} samples here and {len(rows.ids)} there, "
            f"{len(missing)} not in both{lost}; evaluate both on the same split"
        )
    return np.asarray([place[sample] for sample in reference.ids], dtype=np.int64)


def _spread(before: np.ndarray, after: np.ndarray) -> Spread:
    """Components of variance of after - before, both [seeds, samples]."""
    seeds, samples = before.shape
    if seeds == 1:
        return Spread(seed=0.0, sample=float((after - before).var(ddof=1)), rest=0.0, df_seed=0.0)
    _, by_sample, rest = _mean_squares(after - before)
    arms = [_mean_squares(before), _mean_squares(after)]
    own = [arm[0] for arm in arms]
    excess = sum(arm[0] - arm[2] for arm in arms)
    # Welch: with equal seeds' spread 2 (S - 1), with one arm that does not move S - 1.
    welch = sum(own) ** 2 / sum(square**2 for square in own) if sum(own) > 0 else 1.0
    return Spread(
        seed=max(0.0, excess / samples),
        sample=max(0.0, (by_sample - rest) / seeds),
        rest=rest,
        df_seed=(seeds - 1) * welch,
    )


def _mean_squares(table: np.ndarray) -> tuple[float, float, float]:
    """Mean squares of the rows (seeds), of the columns (samples) and of the rest."""
    seeds, samples = table.shape
    mean, rows, columns = table.mean(), table.mean(axis=1, keepdims=True), table.mean(axis=0, keepdims=True)
    rest = ((table - rows - columns + mean) ** 2).sum() / ((seeds - 1) * (samples - 1))
    by_seed = samples * ((rows - mean) ** 2).sum() / (seeds - 1)
    by_sample = seeds * ((columns - mean) ** 2).sum() / (samples - 1)
    return float(by_seed), float(by_sample), float(rest)
