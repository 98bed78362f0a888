"""Segmentation: ours against a plain segmentation-models-pytorch script, given the same wall-clock.

    python bench/dense.py --data FOLDER [--seconds 300] [--size 192] [--seeds 3]

FOLDER has images and masks in train, val and test. Both sides are programs that start from nothing and get the same seconds
from their start: peers/plain_segmentation.py, and `snellen run FOLDER --no-heal --budget` with an empty cache, whose seconds
hold the audit, the advice, the export and the report too. Both evaluate the test images at `--size`. Scores are paired by seed
and image (the influence values of snellen/tasks/_overlap). The seeds take turns; results go to bench/results/dense-NAME.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from snellen.improve.pair import pair
from snellen.rows import Statistics
from snellen.run import Run

HERE = Path(__file__).parent
METRICS = ("miou", "dice", "boundary_f", "image_iou")


def main() -> None:
    """Run both sides seed by seed and tell the paired effects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    arms: dict[str, list[Statistics]] = {"plain": [], "ours": []}
    about: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        order = ("plain", "ours") if seed % 2 == 0 else ("ours", "plain")
        for side in order:
            with tempfile.TemporaryDirectory() as folder:
                rows, told = (plain if side == "plain" else ours)(given, seed, Path(folder))
            arms[side].append(rows)
            about.append({"side": side, "seed": seed, **told})
            print(about[-1], flush=True)
    save(given, arms, about)


def plain(given: argparse.Namespace, seed: int, folder: Path) -> tuple[Statistics, dict[str, Any]]:
    """The peer's counts of the test images, by path."""
    out = folder / "out.npz"
    words = [str(given.data), str(out), "--seconds", str(given.seconds), "--size", str(given.size), "--seed", str(seed)]
    start = time.monotonic()
    subprocess.run([sys.executable, str(HERE / "peers" / "plain_segmentation.py"), *words], check=True)
    seconds = time.monotonic() - start
    found = np.load(out)
    columns = {name: found[name] for name in found.files if name not in ("names", "epochs", "seconds")}
    rows = Statistics("segmentation", tuple(found["names"].tolist()), columns, (), fixed=("wanted",))
    return rows, {"seconds": seconds, "epochs": int(found["epochs"])}


def ours(given: argparse.Namespace, seed: int, folder: Path) -> tuple[Statistics, dict[str, Any]]:
    """Our counts of the test images, by path."""
    sizes = [f"--set=data.{name}={given.size}" for name in ("size", "eval_size")]
    words = [
        "run",
        str(given.data),
        "--no-heal",
        "--budget",
        f"{given.seconds:.0f}s",
        "--seed",
        str(seed),
        "--out",
        str(folder / "case"),
    ]
    environment = {**os.environ, "SNELLEN_CACHE": str(folder / "cache")}
    start = time.monotonic()
    command = [sys.executable, "-m", "snellen", *words, *sizes, "--set=improve.remedies=0", "--json"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
    seconds = time.monotonic() - start
    run = next(Run(path.parent) for path in (folder / "case" / "runs").glob("*/DONE"))
    rows = run.predictions("test")
    catalog = run.catalog
    paths = dict(zip(catalog.ids, catalog.table.column("path").to_pylist(), strict=True))
    named = Statistics("segmentation", tuple(paths[sample] for sample in rows.ids), rows.columns, (), fixed=("wanted",))
    return named, {"seconds": seconds, "epochs": run.cost["epochs"], "artifacts": answer["artifacts"]}


def save(given: argparse.Namespace, arms: dict[str, list[Statistics]], about: list[dict[str, Any]]) -> None:
    """Print and keep the effects of every metric, ours less the peer's."""
    effects = {metric: pair(arms["plain"], arms["ours"], metric=metric, level=0.95) for metric in METRICS}
    numbers = ("baseline", "candidate", "effect", "low", "high", "samples", "seeds")
    told = {metric: {key: getattr(effect, key) for key in numbers} for metric, effect in effects.items()}
    for metric, row in told.items():
        print(
            f"{metric}: plain {row['baseline']:.4f}, ours {row['candidate']:.4f}, difference {row['effect']:+.4f} "
            f"[{row['low']:+.4f}, {row['high']:+.4f}] over {row['seeds']} seeds × {row['samples']} images"
        )
    kept = {"data": given.data.name, "seconds": given.seconds, "size": given.size, "effects": told, "rounds": about}
    path = HERE / "results" / f"dense-{given.data.name}.json"
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
