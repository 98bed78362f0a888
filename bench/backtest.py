"""Backtest of the advice: the advised recipe against three others, in the same loop, for the same time, paired.

    python bench/backtest.py [--data ROOT] [--only stamps_cls,clothing] [--seeds 3] [--epochs 6] [--images 320] [--table] [--quick]

ROOT holds the folders stamps_cls, clothing, grocery_small and cifar10_12k; of each at most --images training and validation
images together are used, and all of its test images. The others train all layers for --epochs; the advised recipe gets the
time that this takes, and may spend it as it likes (head, last stages, all layers). All start from the same pretrained network and
see the same sizes of training image. The test images of stamps_cls are three renderings of each object, so that its intervals are too
narrow. Weights are chosen on validation, figures are of the test split, which nothing was chosen by.
Every arm and seed is one file in results/backtest: what is there is not trained again. BACKTEST.md is the table.

Time is reckoned, not clocked, so that the arms are the same on every machine: one step of the whole network is 1, of its last two
stages 0.6, a forward pass 0.33, all in proportion to the pixels. What the runs took is told beside it, in seconds of the processor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from _backtest_arms import PEERS, SAYS, advised, peer
from _claim_arms import _packed, fewer, keep, kept, predictions, spaced
from snellen import store
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.data.split import split
from snellen.improve.pair import Effect, pair
from snellen.opening import cache_folder
from snellen.recipe import Recipe
from snellen.shelf import hint
from snellen.ship.loaded import load
from snellen.train.loop import train
from snellen.train.machine import Setting
from snellen.values import SnellenError

HERE = Path(__file__).parent
RESULTS, TABLE = HERE / "results" / "backtest", HERE / "BACKTEST.md"
# Data -> side of the training images, in pixels.
DATA = {"stamps_cls": 96, "clothing": 96, "grocery_small": 96, "cifar10_12k": 64}
LEVEL, SEEDS = 0.95, 3
SETTING = Setting("bf16", "channels_last")


@dataclass(frozen=True, slots=True)
class Ground:
    """A dataset: `catalog` is trained and validated on, `held` is measured on."""

    catalog: Catalog
    held: Catalog
    pixels: Pixels


def main() -> int:
    """Exit code 2 for names that there are not and data that is missing."""
    given = _parser().parse_args()
    torch.set_num_threads(given.threads)
    try:
        names = given.only.split(",") if given.only else list(DATA)
        for name in names:
            if name not in DATA:
                raise SnellenError(f"the backtest has no data {name!r}{hint(name, tuple(DATA))}")
        with TemporaryDirectory(prefix="snellen-backtest-") as folder:
            results = Path(folder) / "results" if given.quick else RESULTS
            for name in () if given.table else names:
                _measure(name, given, results, Path(folder))
            text = table(results)
    except SnellenError as error:
        print(f"backtest: {error}", file=sys.stderr)
        return 2
    print(text)
    if not given.quick:
        store.write_text(TABLE, text)
    return 0


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("SNELLEN_CLAIMS_DATA") or HERE.parents[1] / "shared" / "data"
    made.add_argument("--data", type=Path, default=Path(default), help="folder of the datasets")
    made.add_argument("--only", default="", help=f"datasets, with commas between them: {', '.join(DATA)}")
    made.add_argument("--seeds", type=int, default=SEEDS)
    made.add_argument("--epochs", type=int, default=6, help="of the others, over all layers")
    made.add_argument("--images", type=int, default=320, help="training and validation images together")
    made.add_argument("--threads", type=int, default=os.cpu_count())
    made.add_argument("--table", action="store_true", help="train nothing, write the table of what is there")
    made.add_argument("--quick", action="store_true", help="40 images, 1 epoch, 1 seed; nothing is kept")
    return made


def _measure(name: str, given: argparse.Namespace, results: Path, work: Path) -> None:
    if not (given.data / name).is_dir():
        raise SnellenError(f"{given.data} holds no folder {name}; give its parent with --data or $SNELLEN_CLAIMS_DATA")
    images, epochs, seeds = (40, 1, 1) if given.quick else (given.images, given.epochs, given.seeds)
    ground = ground_of(given.data / name, DATA[name], images)
    recipes = recipes_of(ground, DATA[name], epochs)
    for seed in range(seeds):
        for arm, recipe in recipes.items():
            about = {
                "data": name, "arm": arm, "seed": seed, "recipe": recipe.id, "images": images, "epochs": epochs,
                "torch": torch.__version__, "threads": torch.get_num_threads(),
            }  # fmt: skip
            path = results / f"{name}-{arm}-s{seed}.json"
            known: dict[str, Any] = store.read_json(path) if path.is_file() else {}
            if {key: known.get(key) for key in about} == about:
                continue
            told = measured(recipe.change({"seed": seed}), ground, work)
            keep(path, {**about, **told})
            print(f"{name}, {arm}, seed {seed}: {told['accuracy']:.3f} ({told['seconds']:.0f} s)", flush=True)


def ground_of(folder: Path, size: int, images: int) -> Ground:
    """Read, divide and decode some of the data."""
    whole = split(read([folder]), val=0.2, test=0.2, seed=0)
    known = whole.of("train", "val"), whole.of("test")
    # A test image costs one pass: all of them answer.
    catalog, held = fewer(known[0], images), known[1]
    joined = catalog.ids + held.ids
    both, pixels = open_pixels(
        whole.where(np.isin(np.asarray(whole.ids, dtype=str), joined)), size=evaluated(size), cache=cache_folder()
    )
    both = both.usable()
    return Ground(both.of("train", "val"), both.of("test"), pixels)


def evaluated(size: int) -> int:
    """The largest side that any arm asks for."""
    return int(size * 1.5)


def recipes_of(ground: Ground, size: int, epochs: int) -> dict[str, Recipe]:
    """Every arm's resolved recipe; the advised one costs no more than the cheapest of the others."""
    classes = len(ground.catalog.classes)
    others = {name: peer(name, size=size, epochs=epochs, classes=classes) for name in PEERS}
    return {"advised": advised(ground.catalog, size=size, others=tuple(others.values())), **others}


def measured(recipe: Recipe, ground: Ground, work: Path) -> dict[str, Any]:
    """Train with a cache of its own, so that nothing is paid for by another arm; answer the test images."""
    start = time.process_time()
    with TemporaryDirectory(dir=work) as name:
        folder = Path(name)
        run = train(recipe, ground.catalog, ground.pixels, folder / "run", setting=SETTING, cache=folder / "cache")
        seconds, cost = time.process_time() - start, run.cost
        rows = load(run).predict(ground.held, ground.pixels)
    return {
        "seconds": round(seconds, 1), "accuracy": round(float(rows.correct.mean()), 6), "n": len(rows.ids),
        "targets": spaced(rows.targets), "right": _packed(rows.correct), "stopped": str(cost["stopped"]),
    }  # fmt: skip


def table(results: Path) -> str:
    """BACKTEST.md from the stored files."""
    found = [kept(path) for path in sorted(results.glob("*.json"))]
    effects: dict[str, list[Effect]] = {name: [] for name in PEERS}
    lines = [line for name in DATA for line in _lines(name, [f for f in found if f["data"] == name], effects)]
    head = (
        "| data | against | advised | the other | effect [95 %], points | seeds x test images | processor s, advised / other | "
        "result |\n|---|---|---|---|---|---|---|---|"
    )
    words = str(__doc__).split("\n\n", 2)[2].strip()
    arms = "\n".join(f"- **{name}**: {says}" for name, says in SAYS.items())
    made = sorted({(file["epochs"], file["images"]) for file in found})
    how = "; ".join(f"`python bench/backtest.py --epochs {epochs} --images {images}`" for epochs, images in made)
    return "\n\n".join(
        ["# Backtest of the advice", f"Written by {how or '`python bench/backtest.py`'}.", words, arms, "\n".join([head, *lines]),
         *_overall(effects)]
    ) + "\n"  # fmt: skip


def _lines(data: str, files: Sequence[Mapping[str, Any]], effects: dict[str, list[Effect]]) -> Iterator[str]:
    for name in PEERS:
        pairs = list(_pairs(files, name))
        if not pairs:
            continue
        mine, theirs = zip(*pairs, strict=True)
        found = pair(
            [predictions(one) for one in theirs], [predictions(one) for one in mine], metric="accuracy", level=LEVEL
        )
        effects[name].append(found)
        result = "better" if found.low > 0 else "worse" if found.high < 0 else "open"
        seconds = " / ".join(f"{statistics.median(one['seconds'] for one in side):.0f}" for side in (mine, theirs))
        points = f"{100 * found.effect:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
        yield (
            f"| {data} | {name} | {100 * found.candidate:.1f} % | {100 * found.baseline:.1f} % | {points} | "
            f"{found.seeds} x {found.samples} | {seconds} | {result} |"
        )


def _pairs(files: Sequence[Mapping[str, Any]], name: str) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The advised arm and another by seed, all of them made alike: of several kinds those that are most."""
    alike = ("images", "epochs", "torch", "threads", "n")
    kinds: dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for mine in (file for file in files if file["arm"] == "advised"):
        for other in (file for file in files if file["arm"] == name and file["seed"] == mine["seed"]):
            if all(other[key] == mine[key] for key in alike):
                kind = str([*(mine[key] for key in alike), mine["recipe"], other["recipe"]])
                kinds.setdefault(kind, []).append((mine, other))
    yield from max(kinds.values(), key=len, default=[])


def _overall(effects: Mapping[str, Sequence[Effect]]) -> list[str]:
    """Mean over the datasets with Student's interval; they are few, and it is wide."""
    said = []
    for name, found in effects.items():
        values = 100 * np.asarray([effect.effect for effect in found])
        if len(values) > 1:
            reach = student.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
            said.append(
                f"against {name} {values.mean():+.1f} [{values.mean() - reach:+.1f}, {values.mean() + reach:+.1f}]"
            )
    return (
        [f"Mean over the datasets, in points: {'; '.join(said)} (interval over datasets, Student's t)."] if said else []
    )


if __name__ == "__main__":
    sys.exit(main())
