"""Verdict economy: trainings spent to decide "better by 0.5 points", against t-tests of a fixed number, on simulated runs.

    python bench/evidence.py [--repetitions 400] [--aa 1000] [--samples 2000] [--seeds 20] [--plans each,four]
                             [--spreads 0.01,0.03,0.06] [--write]

Lines that --write keeps stay until they are measured again.

Rows are simulated as in aa_simulated.py (latent difficulty; a sample is right where difficulty + skill of the seed + rest is
above 0; about 85 % are right). Both arms are made anew in every repetition, validation samples too.

Ours: the product's own rule (`coverage`, `pair_scores`, `decide`), 5 % for one candidate, margin 0.5 points, a look after
every seed from the second (*each*), or after a quarter, half, three quarters and all of the seeds (*four*). It spends two
trainings per seed.

Peers: one-sided t-tests at 5 % of the runs' accuracies, with the fixed number of runs that has ours' power (the noncentral t
distribution, checked by simulation): *one split*, all runs on the same validation samples; *own splits*, every run on
samples of its own, as where each repeat draws its own hold-out. *Peeking*: the t-test on one split after every seed from the
second, without paying for it. Adopting one of two equal arms is a false adoption.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import nct, norm
from scipy.stats import t as student

from aa_simulated import DIFFICULTY, MEAN, REST
from snellen import store
from snellen.improve.decide import coverage, decide
from snellen.improve.pair import pair_scores
from snellen.tasks._intervals import wilson

TABLE, RECORDS = (Path(__file__).parent / f"{name}" for name in ("EVIDENCE.md", "evidence.json"))
ALPHA, GAIN, UNLIKE = 0.05, 0.005, 0.1
# Standard deviations of the seeds' skill in logits: about 0.1, 0.3 and 0.7 points of accuracy.
SPREADS = (0.01, 0.03, 0.06)


def shift(points: float) -> float:
    """Logits that a candidate must add so that accuracy rises by so much, a share."""
    before, after = math.hypot(DIFFICULTY, REST), math.sqrt(DIFFICULTY**2 + REST**2 + UNLIKE**2)
    return float(norm.ppf(norm.cdf(MEAN / before) + points) * after - MEAN)


def runs(random: np.random.Generator, latent: np.ndarray, seeds: int, spread: float) -> np.ndarray:
    """[seeds, n] 1 where right."""
    skill = random.normal(0, spread, (seeds, 1)).astype(np.float32)
    rest = REST * random.standard_normal((seeds, latent.shape[-1]), dtype=np.float32)
    return (latent.astype(np.float32) + skill + rest > 0).astype(np.float32)


def arms(random: np.random.Generator, samples: int, seeds: int, spread: float, gain: float) -> tuple[np.ndarray, ...]:
    """Baseline and candidate on the same samples."""
    latent = MEAN + random.normal(0, DIFFICULTY, samples)
    helped = latent + shift(gain) + random.normal(0, UNLIKE, samples) if gain else latent
    return runs(random, latent, seeds, spread), runs(random, helped, seeds, spread)


def looks_of(plan: str, seeds: int) -> list[int]:
    """Numbers of seeds after which is looked."""
    if plan == "each":
        return list(range(2, seeds + 1))
    return sorted({max(2, round(seeds * quarter / 4)) for quarter in (1, 2, 3, 4)})


def ours(before: np.ndarray, after: np.ndarray, looks: Sequence[int]) -> tuple[str, int]:
    """The outcome, and seeds spent."""
    outcome = "continue"
    for number, seeds in enumerate(looks, start=1):
        last = seeds == looks[-1]
        level = coverage(ALPHA, len(looks), look=number, last=last)
        effect = pair_scores(before[:seeds], after[:seeds], metric="accuracy", level=level)
        outcome, _ = decide(effect, None, alpha=ALPHA, planned_looks=len(looks), look=number, last=last, margin=GAIN)
        if outcome != "continue":
            return outcome, seeds
    return outcome, looks[-1]


def better(before: np.ndarray, after: np.ndarray) -> bool:
    """One-sided t-test of two arms' accuracies, [n] each."""
    spread = math.sqrt((before.var(ddof=1) + after.var(ddof=1)) / len(before))
    return bool(after.mean() - before.mean() > student.ppf(1 - ALPHA, 2 * len(before) - 2) * spread)


def peeking(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether a t-test after any seed from the second says better."""
    return any(better(before[:n], after[:n]) for n in range(2, len(before) + 1))


def needed(variance: float, power: float) -> int:
    """Runs of one arm with which the fixed t-test has this power for GAIN; `variance` of one run's accuracy."""
    for n in range(2, 5000):
        centre = GAIN / math.sqrt(2 * variance / n)
        if nct.sf(student.ppf(1 - ALPHA, 2 * n - 2), 2 * n - 2, centre) >= power:
            return n
    return 5000


def variances(samples: int, spread: float) -> tuple[float, float]:
    """Variance of one run's accuracy over seeds on one split, and over seeds and splits."""
    random = np.random.default_rng((samples, int(1000 * spread)))
    found = [runs(random, MEAN + random.normal(0, DIFFICULTY, samples), 20, spread).mean(axis=1) for _ in range(150)]
    inside = float(np.mean([one.var(ddof=1) for one in found]))
    return inside, inside + max(0.0, float(np.var([one.mean() for one in found], ddof=1)) - inside / 20)


def power_of(n: int, samples: int, spread: float, *, own: bool, repetitions: int) -> float:
    """Simulated power of the fixed t-test."""
    random = np.random.default_rng((n, samples, int(own)))
    hits = 0
    for _ in range(repetitions):
        if own:
            pairs = [arms(random, samples, 1, spread, GAIN) for _ in range(n)]
            others = [arms(random, samples, 1, spread, GAIN) for _ in range(n)]
            before = np.asarray([pair[0].mean() for pair in pairs])
            after = np.asarray([pair[1].mean() for pair in others])
        else:
            before, after = (one.mean(axis=1) for one in arms(random, samples, n, spread, GAIN))
        hits += better(before, after)
    return hits / repetitions


def row(samples: int, spread: float, plan: str, given: argparse.Namespace) -> dict[str, float]:
    """Everything of one line."""
    looks = looks_of(plan, given.seeds)
    random = np.random.default_rng((samples, int(1000 * spread), given.seeds))
    helped = [ours(*arms(random, samples, given.seeds, spread, GAIN), looks) for _ in range(given.repetitions)]
    equal = [arms(random, samples, given.seeds, spread, 0.0) for _ in range(given.aa)]
    useless = [ours(*both, looks) for both in equal]
    naive = sum(peeking(*(one.mean(axis=1) for one in both)) for both in equal)
    power = sum(outcome == "adopt" for outcome, _ in helped) / len(helped)
    false = sum(outcome == "adopt" for outcome, _ in useless)
    one, own = (needed(variance, power) for variance in variances(samples, spread))
    return {
        "samples": samples, "spread": spread, "power": power, "false": false / given.aa, "high": wilson(false, given.aa)[1],
        "naive": naive / given.aa, "runs": 2 * float(np.mean([seeds for _, seeds in helped])),
        "runs_useless": 2 * float(np.mean([seeds for _, seeds in useless])), "one": 2 * one, "own": 2 * own,
        "checked": power_of(one, samples, spread, own=False, repetitions=given.repetitions),
    }  # fmt: skip


def points(spread: float) -> float:
    """What a spread of skill is in points of accuracy."""
    slope = norm.pdf(MEAN / math.hypot(DIFFICULTY, REST)) / math.hypot(DIFFICULTY, REST)
    return float(100 * slope * spread)


HEAD = (
    "| looks | samples | most seeds | seeds' spread | power | false adoptions (upper end of 95 %) | peeking | trainings: gain | no gain | mean | "
    "t-test, one split | t-test, own splits | ratio, one split | ratio, own splits |\n|" + "---|" * 14
)


def line(found: Mapping[str, Any]) -> str:
    """The row of the table. The ratios count ours at the mean of both columns: half of what is tried is useless."""
    mean = (found["runs"] + found["runs_useless"]) / 2
    cells = (
        found["plan"], f"{found['samples']:.0f}", str(found["seeds"]), f"{points(found['spread']):.1f}", f"{found['power']:.0%}",
        f"{found['false']:.1%} ({found['high']:.1%})", f"{found['naive']:.1%}", f"{found['runs']:.1f}",
        f"{found['runs_useless']:.1f}", f"{mean:.1f}", f"{found['one']:.0f} (power {found['checked']:.0%})",
        f"{found['own']:.0f}", f"{mean / found['one']:.2f}", f"{mean / found['own']:.2f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def kept() -> dict[str, dict[str, Any]]:
    """Lines measured before, by what they are of."""
    return dict(store.read_json(RECORDS)) if RECORDS.is_file() else {}


def render(records: Mapping[str, Mapping[str, Any]]) -> str:
    """The page: how, the table, and what of the goal was met."""
    words = str(__doc__).split("\n\n", 3)[3].strip()
    lines = [HEAD, *(line(records[key]) for key in sorted(records))]
    ratios = {
        peer: [(one["runs"] + one["runs_useless"]) / 2 / one[peer] for one in records.values()]
        for peer in ("one", "own")
    }
    met = {peer: sum(ratio <= 0.5 for ratio in found) for peer, found in ratios.items()}
    worst = max(one["false"] for one in records.values())
    goal = (
        f"Goal: at most half of a t-test's trainings. Against t-tests on one split met in {met['one']} of {len(records)} lines, "
        f"against t-tests on own splits in {met['own']} of {len(records)}. Pairing by sample is what saves: where all runs share a split, "
        "a t-test has that too, and paying for looks costs what stopping early brings. False adoptions, goal at most 5 %: at most "
        f"{worst:.1%}."
    )
    return f"# Verdict economy\n\nWritten by `bench/evidence.py`.\n\n{words}\n\n" + "\n".join(lines) + f"\n\n{goal}\n"


def main() -> None:
    """Print the table, and keep it with --write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=400, help="decisions with a gain")
    parser.add_argument("--aa", type=int, default=1000, help="decisions between equal arms")
    parser.add_argument("--samples", default="2000", help="sizes of the validation set")
    parser.add_argument("--seeds", type=int, default=20, help="most seeds of one arm")
    parser.add_argument("--plans", default="each,four", help="when to look")
    parser.add_argument("--spreads", default=",".join(map(str, SPREADS)), help="of the seeds' skill, in logits")
    parser.add_argument("--write", action="store_true", help=f"keep the table as {TABLE.name}")
    given = parser.parse_args()
    records = kept() if given.write else {}
    print(HEAD, flush=True)
    for plan in given.plans.split(","):
        for samples in map(int, given.samples.split(",")):
            for spread in map(float, given.spreads.split(",")):
                found = {**row(samples, spread, plan, given), "plan": plan, "seeds": given.seeds}
                found |= {"repetitions": given.repetitions, "aa": given.aa}
                records[f"{plan} {samples} {given.seeds} {spread}"] = found
                print(line(found), flush=True)
    if given.write:
        store.write_json(RECORDS, records)
        store.write_text(TABLE, render(records))


if __name__ == "__main__":
    main()
