"""Claims: published techniques re-tested on real data, each with and without, paired by seed and by test image.

    python bench/claims.py [--data ROOT] [--only cutmix,cosine] [--seeds 5] [--epochs N] [--table] [--quick]

ROOT (or $SNELLEN_CLAIMS_DATA) holds the folders cifar10_12k, digits_domains and fashion_mnist_small. Every arm and seed is
one file in results/claims, written as soon as it is measured; what is there is not trained again, arms that claims share are
trained once, and a run that was stopped goes on from its checkpoint. What was made with other epochs, images or precision lies
beside it; what was made with another torch or number of threads is replaced. CLAIMS.md is the table of all of them.
Weights are chosen on a part of the training split; every figure is of the test split.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import t as student

from _claim_arms import Ground, arm, by_group, ground, keep, kept, predictions, recipe_of
from _claims import BY_NAME, CLAIMS, Claim
from snellen import store
from snellen.improve.pair import Effect, pair, pair_scores
from snellen.opening import cache_folder
from snellen.train.machine import Setting
from snellen.values import SnellenError

HERE = Path(__file__).parent
RESULTS, TABLE = HERE / "results" / "claims", HERE / "CLAIMS.md"
DATA = "SNELLEN_CLAIMS_DATA"
LEVEL, SEEDS = 0.95, 5
SIDES = ("base", "candidate")
# Arms are compared only where all of this is the same.
ALIKE = ("data", "measure", "epochs", "train", "n", "precision", "torch", "threads")
# Base and candidate of one seed.
Pair = tuple[Mapping[str, Any], Mapping[str, Any]]
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
        about = _about(claim, found, epochs, setting)
        for seed in range(seeds):
            _seed(claim, found, {**about, "seed": seed}, results, work, setting)


def _about(claim: Claim, found: Ground, epochs: int, setting: Setting) -> dict[str, Any]:
    """What all arms of a claim share."""
    return {
        "claim": claim.name, "data": claim.data, "measure": claim.measure, "epochs": epochs,
        "train": len(found.catalog.of("train")) - len(found.drop), "n": len(found.held), "precision": setting.precision,
        "torch": torch.__version__, "threads": torch.get_num_threads(),
    }  # fmt: skip


def _seed(claim: Claim, found: Ground, about: Mapping[str, Any], results: Path, work: Path, setting: Setting) -> None:
    """Both arms of one claim and seed."""
    said = []
    for side, patch in zip(SIDES, (claim.base, claim.candidate), strict=True):
        recipe = recipe_of(claim, patch, found, about["epochs"]).change({"seed": about["seed"]})
        own = {**about, "side": side, "recipe": recipe.id}
        folder = work / work_name(own)
        told = _arm(own, results, folder, partial(arm, claim, recipe, found, folder, work / "cache", setting))
        said.append(f"{side} {told['numbers']['accuracy']:.4f} ({told['seconds']:.0f} s)")
    print(f"{claim.name}, seed {about['seed']}: accuracy {', '.join(said)}", flush=True)


def work_name(about: Mapping[str, Any]) -> str:
    """The folder of an arm's training: another one wherever it is trained on other images or in another precision."""
    return "{data}-{recipe}-{epochs}x{train}-{precision}-s{seed}".format_map(about)


def file_name(about: Mapping[str, Any]) -> str:
    """The file of an arm."""
    return "{claim}-{side}-{epochs}x{train}-{precision}-s{seed}.json".format_map(about)


def _arm(
    about: Mapping[str, Any], results: Path, folder: Path, measure: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """One arm: read where it was measured, else measured, and written before anything else begins."""
    known = _known(results, about)
    told = {**(known or measure()), **about}
    if told != known:
        keep(results / file_name(about), told)
    # Forty megabytes of weights for each of a hundred runs. Only now: until it is written, a finished training is all there is.
    if folder.is_dir():
        shutil.rmtree(folder)
    return told


def _known(results: Path, about: Mapping[str, Any]) -> dict[str, Any] | None:
    """An arm of this recipe and seed that was measured alike, whichever claim it was measured for."""
    alike = (*ALIKE, "recipe", "seed")
    paths = [results / file_name(about), *sorted(results.glob(f"*-s{about['seed']}.json"))]
    files = (kept(path) for path in paths if path.is_file())
    return next((file for file in files if all(file[key] == about[key] for key in alike)), None)


def table(results: Path) -> str:
    """CLAIMS.md: every claim with what was measured of it."""
    found = {claim.name: _pairs(results, claim) for claim in CLAIMS}
    rows = [line for claim in CLAIMS for line in _lines(claim, found[claim.name])]
    missing = [name for name, pairs in found.items() if not pairs]
    parts = ["# Claims", HEAD, "| claim | published | measured | without → with | effect [95 %] | seeds × n | here |\n|---|---|---|---|---|---|---|\n" + "\n".join(rows)]  # fmt: skip
    return "\n\n".join([*parts, *([f"Not measured: {', '.join(missing)}."] if missing else [])]) + "\n"


HEAD = (
    "Written by `python bench/claims.py`; the figures are in `results/claims`. Every arm is a training from noise of a ResNet-18 "
    "on 32-pixel images (`_claims.py` has the recipes), so these figures are about small networks and few images, not about "
    "the published settings. Both arms have the same seeds, orders and test images; the interval covers both seeds and images "
    "(`snellen.improve.pair`), for distances seeds alone (Student's t). Pairs of images share their images and classes and are not "
    "independent: their interval covers seeds and the classes of their first images, which are few, so that it is wide. "
    "*Held*: the interval lies above 0; *did not hold*: below; *open*: 0 lies inside."
)


def _lines(claim: Claim, pairs: Sequence[Pair]) -> Iterator[str]:
    if not pairs:
        return
    arms = [[one[place] for one in pairs] for place in range(len(SIDES))]
    about, first = arms[0][0], True
    for measured, before, after, effect, unit, n in _outcomes(claim, arms):
        middle, low, high = effect
        verdict = "open" if low <= 0 <= high else "held" if low > 0 else "did not hold"
        if len(pairs) < SEEDS:
            verdict += f" (only {len(pairs)} seeds)"
        said = f"{claim.name}: {claim.says} ({about['data']}, {about['train']} images, {about['epochs']} epochs)"
        cells = (
            f"{said}. {claim.note}".removesuffix(". ") if first else "",
            f"{claim.published}; {claim.source}" if first else "",
            measured,
            f"{before:.4g} → {after:.4g}",
        )
        yield f"| {' | '.join(cells)} | {middle:+.2f} [{low:+.2f}, {high:+.2f}] {unit} | {len(pairs)} × {n} | {verdict} |"
        first = False


def _pairs(results: Path, claim: Claim) -> list[Pair]:
    """The claim's arms by seed, both of a pair made alike; of several kinds those of most seeds, then of most images."""
    files = [kept(path) for path in sorted(results.glob(f"{claim.name}-*.json"))]
    bases, candidates = ([file for file in files if file["side"] == side] for side in SIDES)
    kinds: dict[str, list[Pair]] = {}
    for base in bases:
        for candidate in candidates:
            if all(base[key] == candidate[key] for key in (*ALIKE, "seed")):
                kind = str([*(base[key] for key in ALIKE), base["recipe"], candidate["recipe"]])
                kinds.setdefault(kind, []).append((base, candidate))
    return max(kinds.values(), key=lambda pairs: (len(pairs), pairs[0][0]["train"]), default=[])


def _outcomes(claim: Claim, arms: Sequence[Sequence[Mapping[str, Any]]]) -> Iterator[tuple[Any, ...]]:
    """(what, without, with, (effect, low, high), unit, n); effects are signed so that more is better."""
    of_pairs = claim.measure == "verification"
    found = _by_class(arms) if of_pairs else _by_image(claim, arms)
    points = tuple(100 * value for value in (found.effect, found.low, found.high))
    words = f"{found.metric.replace('_', ' ')}{' of pairs of images' if of_pairs else ''}, %"
    n = f"{found.samples}{' classes' if of_pairs else ''}"
    yield words, 100 * found.baseline, 100 * found.candidate, points, "points", n
    for key, less in LESS.items():
        if key in arms[0][0]["numbers"]:
            before, after = (np.asarray([one["numbers"][key] for one in side]) for side in arms)
            yield less, before.mean(), after.mean(), _interval(100 * (1 - after / before)), "% less", n


def _by_image(claim: Claim, arms: Sequence[Sequence[Mapping[str, Any]]]) -> Effect:
    rows = [[predictions(one) for one in side] for side in arms]
    return pair(*rows, metric="accuracy" if claim.measure != "rows" else claim.metric, level=LEVEL)


def _by_class(arms: Sequence[Sequence[Mapping[str, Any]]]) -> Effect:
    """The effect on pairs of images, paired by seed and by the class of a pair's first image: thousands of pairs are made of a
    few hundred images of a few classes, and would be taken for thousands of answers."""
    before, after = (np.stack([by_group(one) for one in side]) for side in arms)
    return pair_scores(before, after, metric="accuracy", level=LEVEL)


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over seeds with Student's interval; no bounds from one seed."""
    middle = float(values.mean())
    if len(values) < 2:
        return middle, -np.inf, np.inf
    reach = float(student.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return middle, middle - reach, middle + reach


if __name__ == "__main__":
    sys.exit(main())
