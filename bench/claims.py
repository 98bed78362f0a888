"""Claims: published techniques re-tested on real data, each with and without, paired by seed and by test image.

    python bench/claims.py [--data ROOT] [--only cutmix,cosine] [--seeds 5] [--epochs N] [--table] [--quick]

ROOT (or $SNELLEN_CLAIMS_DATA) holds the folders cifar10_12k, digits_domains and fashion_mnist_small. Every claim and seed is
one file in results/claims; what is there is not trained again, arms that claims share are trained once, and a run that was
stopped goes on from its checkpoint. Files of other epochs than asked for are replaced. CLAIMS.md is the table of all of them.
Weights are chosen on a part of the training split; every figure is of the test split.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from _claim_arms import Ground, arm, ground, predictions, recipe_of
from _claims import BY_NAME, CLAIMS, Claim
from snellen import store
from snellen.improve.pair import pair
from snellen.opening import cache_folder
from snellen.recipe import Recipe
from snellen.train.machine import Setting
from snellen.values import SnellenError

HERE = Path(__file__).parent
RESULTS, TABLE = HERE / "results" / "claims", HERE / "CLAIMS.md"
DATA = "SNELLEN_CLAIMS_DATA"
LEVEL, SEEDS = 0.95, 5
# Numbers of an arm of which less is better, told as a change in percent.
LESS = {"intra_class": "intra-class distance", "intra_over_inter": "intra-class over inter-class distance"}


def main() -> int:
    """Exit code 2 for names that there are not and data that is missing."""
    given = _parser().parse_args()
    try:
        chosen = [_named(name) for name in given.only.split(",")] if given.only else list(CLAIMS)
        if given.quick:
            with tempfile.TemporaryDirectory(prefix="snellen-claims-") as name:
                _measure(chosen, given, Path(name) / "results", Path(name) / "work")
                print(table(Path(name) / "results"))
            return 0
        if not given.table:
            _measure(chosen, given, RESULTS, given.work or cache_folder() / "claims")
        store.write_text(TABLE, table(RESULTS))
        print(f"wrote {TABLE.name}")
    except SnellenError as error:
        print(f"claims: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get(DATA) or HERE.parents[1] / "shared" / "data"
    made.add_argument("--data", type=Path, default=Path(default), help=f"folder of the datasets (default: ${DATA})")
    made.add_argument("--only", default="", help=f"claims, with commas between them: {', '.join(BY_NAME)}")
    made.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds of each arm (default {SEEDS})")
    made.add_argument("--epochs", type=int, default=None, help="instead of the claim's own")
    made.add_argument("--images", type=int, default=None, help="training images at most, and as many test images")
    made.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    made.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch (default: all cores)")
    made.add_argument("--work", type=Path, default=None, help="folder of unfinished runs (default: in the cache)")
    made.add_argument("--table", action="store_true", help="train nothing, write the table of what is there")
    made.add_argument("--quick", action="store_true", help="200 images, 1 epoch, 2 seeds; nothing is kept")
    return made


def _named(name: str) -> Claim:
    if name not in BY_NAME:
        near = get_close_matches(name, BY_NAME, n=2, cutoff=0.4)
        raise SnellenError(
            f"no claim is named {name!r}; {f'did you mean {near}?' if near else f'there are: {list(BY_NAME)}'}"
        )
    return BY_NAME[name]


def _measure(chosen: Sequence[Claim], given: argparse.Namespace, results: Path, work: Path) -> None:
    torch.set_num_threads(given.threads)
    setting = Setting(given.precision, "channels_last")
    seeds, images = (2, 200) if given.quick else (given.seeds, given.images)
    for claim in chosen:
        if not (given.data / claim.data).is_dir():
            raise SnellenError(f"{given.data} holds no folder {claim.data}; give its parent with --data or ${DATA}")
        found = ground(claim, given.data, work / "cache", images=images)
        epochs = 1 if given.quick else given.epochs or claim.epochs
        recipes = [recipe_of(claim, patch, found, epochs) for patch in (claim.base, claim.candidate)]
        for seed in range(seeds):
            _seed(claim, recipes, found, seed, epochs, results, work, setting)


def _seed(
    claim: Claim, recipes: Sequence[Recipe], found: Ground, seed: int, epochs: int, results: Path, work: Path,
    setting: Setting,
) -> None:  # fmt: skip
    """One claim and seed, unless its file is there."""
    about = {
        "claim": claim.name, "seed": seed, "data": claim.data, "measure": claim.measure, "epochs": epochs,
        "train": len(found.catalog.of("train")) - len(found.drop), "n": len(found.held), "precision": setting.precision,
        "torch": torch.__version__, "threads": torch.get_num_threads(),
    }  # fmt: skip
    path = results / f"{claim.name}-s{seed}.json"
    known = _known(results, about)
    # Both arms are computed before either is written: half a file would be no pair.
    arms = {
        side: known.get(recipe.id) or arm(claim, recipe, found, seed, work, setting)
        for side, recipe in zip(("base", "candidate"), recipes, strict=True)
    }
    store.write_json(path, {**about, **arms})
    says = ", ".join(
        f"{side} {told['numbers']['accuracy']:.4f} ({told['seconds']:.0f} s)" for side, told in arms.items()
    )
    print(f"{claim.name}, seed {seed}: accuracy {says}", flush=True)


def _known(results: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Arms by recipe that were measured alike: same data, seed, number of images, precision, threads and torch."""
    alike = [key for key in about if key != "claim"]
    files = [store.read_json(path) for path in sorted(results.glob(f"*-s{about['seed']}.json"))]
    same = [file for file in files if all(file[key] == about[key] for key in alike)]
    return {file[side]["recipe"]: file[side] for file in same for side in ("base", "candidate")}


def table(results: Path) -> str:
    """CLAIMS.md: every claim with what was measured of it."""
    rows = [line for claim in CLAIMS for line in _lines(claim, results)]
    missing = [claim.name for claim in CLAIMS if not list(results.glob(f"{claim.name}-s*.json"))]
    parts = ["# Claims", HEAD, "| claim | published | measured | without → with | effect [95 %] | seeds × n | here |\n|---|---|---|---|---|---|---|\n" + "\n".join(rows)]  # fmt: skip
    return "\n\n".join([*parts, *([f"Not measured: {', '.join(missing)}."] if missing else [])]) + "\n"


HEAD = (
    "Written by `python bench/claims.py`; the figures are in `results/claims`. Every arm is a training from noise of a ResNet-18 "
    "on 32-pixel images (`_claims.py` has the recipes), so these figures are about small networks and few images, not about "
    "the published settings. Both arms have the same seeds, orders and test images; the interval covers both seeds and images "
    "(`snellen.improve.pair`), for distances seeds alone (Student's t). *Held*: the interval lies above 0; *did not hold*: below; "
    "*open*: 0 lies inside."
)


def _lines(claim: Claim, results: Path) -> Iterator[str]:
    files = _pooled(results, claim)
    if not files:
        return
    arms = [[file[side] for file in files] for side in ("base", "candidate")]
    about, first = files[0], True
    for measured, before, after, effect, unit, n in _outcomes(claim, arms):
        middle, low, high = effect
        verdict = "open" if low <= 0 <= high else "held" if low > 0 else "did not hold"
        if len(files) < SEEDS:
            verdict += f" (only {len(files)} seeds)"
        said = f"{claim.name}: {claim.says} ({about['data']}, {about['train']} images, {about['epochs']} epochs)"
        cells = (
            said if first else "",
            f"{claim.published}; {claim.source}" if first else "",
            measured,
            f"{before:.4g} → {after:.4g}",
        )
        yield f"| {' | '.join(cells)} | {middle:+.2f} [{low:+.2f}, {high:+.2f}] {unit} | {len(files)} × {n} | {verdict} |"
        first = False


def _pooled(results: Path, claim: Claim) -> list[dict[str, Any]]:
    """The claim's files that were made alike; of several kinds those that are most."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(results.glob(f"{claim.name}-s*.json")):
        file = store.read_json(path)
        alike = [file[key] for key in ("epochs", "train", "n", "precision")]
        kinds.setdefault(f"{alike} {file['base']['recipe']} {file['candidate']['recipe']}", []).append(file)
    return max(kinds.values(), key=len, default=[])


def _outcomes(claim: Claim, arms: Sequence[Sequence[Mapping[str, Any]]]) -> Iterator[tuple[Any, ...]]:
    """(what, without, with, (effect, low, high), unit, n); effects are signed so that more is better."""
    metric = "accuracy" if claim.measure != "rows" else claim.metric
    rows = [[predictions(one) for one in side] for side in arms]
    found = pair(*rows, metric=metric, level=LEVEL)
    points = tuple(100 * value for value in (found.effect, found.low, found.high))
    yield f"{metric.replace('_', ' ')}, %", 100 * found.baseline, 100 * found.candidate, points, "points", found.samples
    for key, words in LESS.items():
        if key in arms[0][0]["numbers"]:
            before, after = (np.asarray([one["numbers"][key] for one in side]) for side in arms)
            yield words, before.mean(), after.mean(), _interval(100 * (1 - after / before)), "% less", found.samples


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over seeds with Student's interval; no bounds from one seed."""
    middle = float(values.mean())
    if len(values) < 2:
        return middle, -np.inf, np.inf
    reach = float(student.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return middle, middle - reach, middle + reach


if __name__ == "__main__":
    sys.exit(main())
