"""What super-resolution and denoising gain over the simple method on test images: restoration.py DATA --out FOLDER.

    python bench/restoration.py photos --out cases [--tasks super_resolution,denoising] [--budget 900] [--seeds 1]

Every line is one whole path: audit, training, test opened once, export. Gains are paired by image, with 95 % intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snellen import store
from snellen.verbs import run

METRICS = ("psnr", "psnr_y", "ssim", "feature_distance")


def line(task: str, seed: int, folder: Path, answer: Mapping[str, Any]) -> str:
    """One path as a row of the table."""
    test = store.read_json(folder / "final.json")["test"]
    cells = []
    for name in METRICS:
        own, plain, gain = (test[key] for key in (name, f"baseline_{name}", f"{name}_gain"))
        cells.append(
            f"{own['value']:.4g} against {plain['value']:.4g}: {gain['value']:+.3g} [{gain['low']:+.3g}, {gain['high']:+.3g}]"
        )
    baseline = store.read_json(folder / "plan.json")["recipe"]["degrade"]["baseline"]
    simple = "bicubic" if baseline is None else f"{baseline['name']} {baseline['settings']['strength']:g}"
    parity = max(item["parity"] for item in answer["artifacts"])
    return f"| {task} | {seed} | {simple} | {test['psnr']['n']} | {' | '.join(cells)} | {parity:.1g} | {answer['seconds']:.0f} |"


def main() -> None:
    """Print the table as the paths end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", default="super_resolution,denoising")
    parser.add_argument("--budget", type=float, default=900.0, help="seconds for each path")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    print(
        f"| task | seed | simple method | n | {' | '.join(METRICS)} | parity | seconds |\n|{'---|' * (6 + len(METRICS))}"
    )
    for task in given.tasks.split(","):
        for seed in range(given.seeds):
            folder = given.out / f"{task}-{seed}"
            answer = run(given.data, out=folder, budget=given.budget, changes={"task": task, "seed": seed})
            print(line(task, seed, folder, answer), flush=True)


if __name__ == "__main__":
    main()
