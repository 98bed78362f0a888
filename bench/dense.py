"""Segmentation: ours against a plain segmentation-models-pytorch script, given the same wall-clock.

    python bench/dense.py FOLDER [FOLDER ...] --out RESULTS [--seconds 150] [--size 192] [--seeds 3] [--match]
    python bench/dense.py FOLDER [FOLDER ...] --out RESULTS --show

FOLDER has images and masks in train, val and test. Both sides are programs that start from nothing and get the same seconds
from their start: peers/plain_segmentation.py, and `snellen run FOLDER --no-heal --budget` with a cache that holds the probe of
this machine alone, whose seconds hold the audit, the advice, the export and the report too. Both are evaluated at `--size`; the peer trains at it,
ours at what it advises. Scores are paired by seed and image (the influence values of snellen/tasks/_overlap).

A budget is a plan, and ours may overrun it: with `--match` ours goes first, and the peer of the same seed is given the seconds that ours took.

Every finished side is a line of RESULTS/dense.jsonl and a file of counts beside it; begun anew, the script goes on where it
stands. Seeds and sides take turns, and the seconds of processor that a side had are told, so that a busy machine is seen.
`--show` prints the tables, of validation (what was tuned on) and of test, and writes bench/results/dense-NAME.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from snellen.improve.pair import Effect, pair
from snellen.rows import Statistics
from snellen.run import Run

HERE = Path(__file__).parent
METRICS = ("miou", "dice", "boundary_f", "image_iou")
SPLITS = ("val", "test")
SIDES = ("plain", "ours")
NUMBERS = ("baseline", "candidate", "effect", "low", "high", "samples", "seeds")


def main() -> None:
    """Run what is missing, or show what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--match", action="store_true", help="give the peer the seconds that ours took")
    parser.add_argument("--show", action="store_true", help="print and keep what RESULTS holds, run nothing")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if not given.show:
        for data, seed, side in missing(given):
            once(given, data, seed, side)
    for data in given.data:
        show(given, data)


def missing(given: argparse.Namespace) -> Iterator[tuple[Path, int, str]]:
    """What has no line yet, seed by seed; the side that begins changes with the seed, unless one is matched to the other."""
    done = {(line["data"], line["seed"], line["side"]) for line in lines(given)}
    for seed in range(given.seeds):
        for data in given.data:
            for side in SIDES if seed % 2 == 0 and not given.match else SIDES[::-1]:
                if (data.name, seed, side) not in done:
                    yield data, seed, side


def lines(given: argparse.Namespace) -> list[dict[str, Any]]:
    """The finished sides of this size and these seconds."""
    path = given.out / "dense.jsonl"
    every = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    return [line for line in every if (line["size"], line["seconds_given"]) == (given.size, given.seconds)]


def once(given: argparse.Namespace, data: Path, seed: int, side: str) -> None:
    """One side of one seed: its counts as a file, then its line."""
    work: Callable[..., dict[str, Any]] = plain if side == "plain" else ours
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        told = work(given, data, seed, Path(folder), counts_file(given, data.name, seed, side))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    line = {
        "data": data.name, "seed": seed, "side": side, "size": given.size, "seconds_given": given.seconds,
        "seconds": round(time.monotonic() - start, 1), "load_before": round(load, 2),
        "processor_seconds": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1), **told,
    }  # fmt: skip
    with (given.out / "dense.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(line, flush=True)


def counts_file(given: argparse.Namespace, data: str, seed: int, side: str) -> Path:
    """Where the counts of validation and test images are kept: arrays named split:column."""
    return given.out / f"{data}-{given.size}-{given.seconds:.0f}-{seed}-{side}.npz"


def plain(given: argparse.Namespace, data: Path, seed: int, folder: Path, out: Path) -> dict[str, Any]:
    """The peer."""
    same = [
        line["seconds"]
        for line in lines(given)
        if (line["data"], line["seed"], line["side"]) == (data.name, seed, "ours")
    ]
    seconds = same[-1] if given.match else given.seconds
    words = [str(data), str(out), "--seconds", str(seconds), "--size", str(given.size), "--seed", str(seed)]
    subprocess.run([sys.executable, str(HERE / "peers" / "plain_segmentation.py"), *words], check=True)
    with np.load(out) as found:
        return {"epochs": int(found["epochs"])}


def ours(given: argparse.Namespace, data: Path, seed: int, folder: Path, out: Path) -> dict[str, Any]:
    """`snellen run`, its cache empty."""
    words = ["--no-heal", "--budget", f"{given.seconds:.0f}s", "--seed", str(seed), "--out", str(folder / "case")]
    command = [
        sys.executable, "-m", "snellen", "run", str(data), *words, f"--set=data.eval_size={given.size}",
        "--set=improve.remedies=0", "--json",
    ]  # fmt: skip
    probed = given.out / "probe"
    if probed.is_dir():
        shutil.copytree(probed, folder / "cache" / "probe")
    environment = {**os.environ, "SNELLEN_CACHE": str(folder / "cache")}
    done = subprocess.run(command, check=False, capture_output=True, env=environment, text=True)
    if done.returncode not in (0, 1):  # 1: a gate is shut.
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    if not probed.is_dir() and (folder / "cache" / "probe").is_dir():
        shutil.copytree(folder / "cache" / "probe", probed)
    run = next(Run(path.parent) for path in (folder / "case" / "runs").glob("*/DONE"))
    paths = dict(zip(run.catalog.ids, run.catalog.table.column("path").to_pylist(), strict=True))
    arrays: dict[str, np.ndarray] = {}
    for split in SPLITS:
        rows = run.predictions(split)
        arrays |= {f"{split}:{name}": rows.columns[name] for name in rows.columns}
        arrays[f"{split}:names"] = np.asarray([paths[sample] for sample in rows.ids])
    np.savez(out, **arrays)  # type: ignore[arg-type]
    recipe = run.recipe
    chosen = {
        "size": recipe.data.size,
        "batch": recipe.train.batch,
        "lr": recipe.optim.lr,
        "precision": recipe.train.precision,
    }
    return {"epochs": run.cost["epochs"], "trained_seconds": round(run.cost["seconds"], 1), "chosen": chosen}


def rows_of(path: Path, split: str) -> Statistics:
    """The counts of one side."""
    with np.load(path) as found:
        columns = {name.partition(":")[2]: found[name] for name in found.files if name.startswith(f"{split}:")}
    names = tuple(columns.pop("names").tolist())
    return Statistics("segmentation", names, columns, (), fixed=("wanted",))


def show(given: argparse.Namespace, data: Path) -> None:
    """Tables of the seeds that both sides have, and the file of results."""
    mine = [line for line in lines(given) if line["data"] == data.name]
    have = [seed for seed in range(given.seeds) if {(line["seed"], line["side"]) for line in mine} >= {(seed, s) for s in SIDES}]  # fmt: skip
    if not have:
        return
    told = {}
    for split in SPLITS:
        arms = [[rows_of(counts_file(given, data.name, seed, side), split) for seed in have] for side in SIDES]
        effects = {metric: pair(arms[0], arms[1], metric=metric, level=0.95) for metric in METRICS}
        told[split] = {metric: {key: getattr(effect, key) for key in NUMBERS} for metric, effect in effects.items()}
        print(table(data.name, split, effects))
    kept = {"data": data.name, "seconds": given.seconds, "size": given.size, "effects": told, "rounds": mine}
    path = HERE / "results" / f"dense-{data.name}.json"
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def table(data: str, split: str, effects: dict[str, Effect]) -> str:
    """Markdown: one row for each metric."""
    first = next(iter(effects.values()))
    head = f"| {data}, {split}: {first.seeds} seeds × {first.samples} images | plain | ours | ours - plain, 95 % |\n|---|---|---|---|"
    body = [
        f"| {name} | {e.baseline:.4f} | {e.candidate:.4f} | {e.effect:+.4f} [{e.low:+.4f}, {e.high:+.4f}] |"
        for name, e in effects.items()
    ]
    return "\n".join([head, *body]) + "\n"


if __name__ == "__main__":
    main()
