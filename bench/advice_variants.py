"""Whether a short training does better otherwise than it is advised: one change at a time, in the setting of the backtest.

    python bench/advice_variants.py [--data ROOT] [--only clothing,…] [--variants rate_x2,rate_x4] [--seeds 2] [--epochs 8] [--images 400]

Advice is changed by what this shows, so it must not see what the backtest judges by: figures are of training and validation images
that the backtest leaves out, at most --judged of each dataset, by class alike. Nothing is measured on a test split. Every training is
one file in results/advice_variants; what is there is not trained again.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from _backtest_arms import PEERS, advised, peer
from _claim_arms import fewer, keep, kept, predictions
from backtest import DATA, HERE, Ground, evaluated, measured
from snellen import store
from snellen.data.pixels import open_pixels
from snellen.data.read import read
from snellen.data.split import split
from snellen.improve.pair import pair
from snellen.opening import cache_folder
from snellen.recipe import Recipe

RESULTS = HERE / "results" / "advice_variants"


def _faster(recipe: Recipe, times: float) -> Recipe:
    """The last stage at so many times its rate."""
    place = len(recipe.stages) - 1
    return recipe.change({f"stages.{place}.lr_scale": recipe.stages[place].lr_scale * times})


VARIANTS = {
    "rate_x2": lambda recipe: _faster(recipe, 2.0),
    "rate_x4": lambda recipe: _faster(recipe, 4.0),
    "no_average": lambda recipe: recipe.change({"train.ema": 0.0}),
    "no_smoothing": lambda recipe: recipe.change({"loss.settings": {"smoothing": 0.0}}),
    "moving_norm": lambda recipe: recipe.change({"train.freeze_norm": False}),
    "no_clip": lambda recipe: recipe.change({"optim.clip": None}),
}


def main() -> int:
    """Print a table as the datasets end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("SNELLEN_CLAIMS_DATA") or HERE.parents[1] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(default), help="folder of the datasets")
    parser.add_argument("--only", default=",".join(DATA), help="datasets, with commas between them")
    parser.add_argument("--variants", default="rate_x2,rate_x4", help=f"of {', '.join(VARIANTS)}")
    for name, value in (("seeds", 2), ("epochs", 8), ("images", 400), ("judged", 600)):
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    print("| data | change | advised | changed | effect [95 %], points | seeds x images |\n|---|---|---|---|---|---|")
    for name in given.only.split(","):
        ground = _ground(given.data / name, DATA[name], given.images, given.judged)
        base = _advised(ground, DATA[name], given.epochs)
        recipes = {"advised": base, **{key: VARIANTS[key](base).resolve() for key in given.variants.split(",")}}
        found: dict[str, list[Mapping[str, Any]]] = {arm: [] for arm in recipes}
        for seed in range(given.seeds):
            for arm, recipe in recipes.items():
                about = {
                    "data": name,
                    "arm": arm,
                    "seed": seed,
                    "recipe": recipe.id,
                    "images": given.images,
                    "judged": given.judged,
                }
                found[arm].append(_trained(about, recipe, ground))
        for arm in given.variants.split(","):
            print(_line(name, arm, found["advised"], found[arm]), flush=True)
    return 0


def _ground(folder: Path, size: int, images: int, judged: int) -> Ground:
    """As the backtest's, but judged by what it leaves out of training and validation."""
    whole = split(read([folder]), val=0.2, test=0.2, seed=0).of("train", "val")
    used = fewer(whole, images)
    spare = whole.where(~np.isin(np.asarray(whole.ids, dtype=str), used.ids))
    some = fewer(spare, min(judged, len(spare)))
    wanted = np.isin(np.asarray(whole.ids, dtype=str), (*used.ids, *some.ids))
    both, pixels = open_pixels(whole.where(wanted), size=evaluated(size), cache=cache_folder())
    both = both.usable()
    taken = np.isin(np.asarray(both.ids, dtype=str), used.ids)
    return Ground(both.where(taken), both.where(~taken), pixels)


def _advised(ground: Ground, size: int, epochs: int) -> Recipe:
    classes = len(ground.catalog.classes)
    return advised(
        ground.catalog, size=size, others=[peer(name, size=size, epochs=epochs, classes=classes) for name in PEERS]
    )


def _trained(about: Mapping[str, Any], recipe: Recipe, ground: Ground) -> Mapping[str, Any]:
    path = RESULTS / f"{about['data']}-{about['arm']}-s{about['seed']}.json"
    known: dict[str, Any] = store.read_json(path) if path.is_file() else {}
    if {key: known.get(key) for key in about} != about:
        with TemporaryDirectory(prefix="snellen-variants-") as work:
            keep(path, {**about, **measured(recipe.change({"seed": about["seed"]}), ground, Path(work))})
    return kept(path)


def _line(data: str, arm: str, plain: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> str:
    found = pair(
        [predictions(one) for one in plain], [predictions(one) for one in other], metric="accuracy", level=0.95
    )
    points = f"{100 * found.effect:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"
    return f"| {data} | {arm} | {found.baseline:.1%} | {found.candidate:.1%} | {points} | {found.seeds} x {found.samples} |"


if __name__ == "__main__":
    sys.exit(main())
