"""A/A on recorded runs: how often the proof adopts a recipe against itself.

    python bench/aa.py FOLDER [--seeds 3] [--repetitions 200] [--looks 2]

FOLDER holds run folders of one recipe under different seeds (a case's `runs`, or `snellen train` with several --seed),
at least twice as many as --seeds. Prints one line per metric and number of seeds; exit code 1 where a rate is above
alpha.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from snellen.improve.aa import false_adoptions
from snellen.run import Predictions, Run
from snellen.tasks._paired import METRICS
from snellen.values import SnellenError


def read(folder: Path) -> list[Predictions]:
    """Validation rows of every finished run; raises SnellenError where they are not of one recipe."""
    runs = [Run(path.parent) for path in sorted(folder.glob("*/recipe.yaml")) if (path.parent / "DONE").is_file()]
    recipes = sorted({run.recipe.id for run in runs})
    if len(recipes) != 1:
        raise SnellenError(
            f"{folder} holds finished runs of {len(recipes)} recipes ({', '.join(recipes)}), expected of 1"
        )
    if len({run.recipe.seed for run in runs}) < len(runs):
        raise SnellenError(f"{folder} holds runs of one seed more than once; those are no independent repetitions")
    return [run.predictions("val") for run in runs]


def main() -> int:
    """Print the table; 0 where every rate is within the budget."""
    parser = argparse.ArgumentParser(description="A/A: how often the proof adopts a recipe against itself")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3, help="most seeds of one arm")
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--looks", type=int, default=None, help="looks that share the budget (default: those made)")
    given = parser.parse_args()
    runs = read(given.folder)
    print(f"{len(runs)} runs, {len(runs[0].ids)} samples, {given.repetitions} repetitions, alpha {given.alpha}\n")
    print("| metric | seeds | adopted | rate | 95 % interval |\n|---|---|---|---|---|")
    worst = 0.0
    for metric in METRICS:
        for seeds in range(2, min(given.seeds, len(runs) // 2) + 1):
            adopted, n, (low, high) = false_adoptions(
                runs, repetitions=given.repetitions, metric=metric, alpha=given.alpha, seeds=seeds, looks=given.looks
            )
            worst = max(worst, adopted / n)
            print(f"| {metric} | {seeds} | {adopted} | {adopted / n:.3f} | {low:.3f} to {high:.3f} |")
    return int(worst > given.alpha)


if __name__ == "__main__":
    sys.exit(main())
