"""Sabotage of trainings on masks: three spoiled ones, each named and healed by `snellen run`, and done nothing about beside it.

    python bench/sabotage_dense.py DATA --out OUT [--budget 6m] [--only rate,background,masks] [--size 96] [--seed 0] [--healed 1]

DATA holds stamps_seg and nuclei_dsb2018_faults. `rate`: 100 times the rate that is advised for as few steps. `background`: the rarest class keeps 6 of its
training images, and cross-entropy without weights counts pixels alone. `masks`: masks that were planted wrong. Beside each the
same recipe is trained seed after seed, for as long as healing took, and the run that is best on validation is taken: nothing
but luck. Both answer the same validation and test images and are paired by image. And trainings that nobody spoiled, as many epochs
of the clean data as advice has them, say what there is to heal; with `--healed 3` as many spoiled ones are healed, of a seed each, because two
trainings that differ by their seed alone lie apart too. OUT/NAME.json is not made again (what it lacks of these is);
all of them are kept in results/sabotage_dense.json, which CLINIC.md shows.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from _results import RESULTS
from _sabotage import final, first_run, rows, seed_after_seed, snellen, spoken, tried
from snellen import store
from snellen.improve.pair import pair
from snellen.rows import Rows, Statistics
from snellen.run import Run

# Training images that the rarest class keeps; trainings that nobody spoiled.
KEPT, HEALTHY_SEEDS = 6, 3


@dataclass(frozen=True, slots=True)
class Scenario:
    """A way to spoil a training: what `data` is made into, the `options` of the command, which rules would be right to speak, and
    remedies that go to the cause. `clean`: data that was not spoiled, where it is other data."""

    data: str
    options: tuple[str, ...]
    rules: tuple[str, ...]
    remedies: tuple[str, ...]
    spoil: Callable[[Path, Path], Path] = lambda source, out: source
    clean: str = ""


def cut_rarest(source: Path, out: Path) -> Path:
    """A copy of masks and images in which only the first KEPT training masks of the rarest class still hold it."""
    if out.exists():
        return out
    shutil.copytree(source, out)
    masks = sorted((out / "masks" / "train").glob("*.png"))
    held = {path: {*np.unique(np.asarray(Image.open(path))).tolist()} for path in masks}
    rarest = min(set().union(*held.values()), key=lambda number: sum(number in ids for ids in held.values()))
    for path in [path for path in masks if rarest in held[path]][KEPT:]:
        path.unlink()
        next((out / "images" / "train").glob(f"{path.stem}.*")).unlink()
    return out


SCENARIOS: Mapping[str, Scenario] = {
    "rate": Scenario(
        "stamps_seg", ("--set", "optim.lr=0.2"),
        ("rate_too_high", "diverging", "gradient_exploding", "gradient_unstable", "oscillating", "collapsed", "nonfinite"),
        ("lower_lr", "reduce_lr", "clip"),
    ),
    "background": Scenario(
        "stamps_seg", ("--set", "loss={name: pixel_cross_entropy, settings: {}}"),
        ("background_takes_all", "weak_overlap", "class_imbalance", "tiny_classes"),
        ("overlap_loss", "dice_focal", "balanced_crops", "larger_images"), cut_rarest,
    ),
    "masks": Scenario(
        # The planted masks that cannot be read are more than a training takes by default.
        "nuclei_dsb2018_faults", ("--set", "data.max_bad=0.05"),
        ("swapped_masks", "misregistered_masks", "empty_masks", "mask_objects_missing", "eroded_masks", "dilated_masks",
         "ragged_masks", "coarse_masks"),
        ("drop_suspect_masks",), clean="nuclei_dsb2018",
    ),
}  # fmt: skip


def main() -> None:
    """Run the scenarios that have no answer yet; print one JSON line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget", default="6m")
    parser.add_argument("--only", default=",".join(SCENARIOS))
    parser.add_argument("--size", type=int, default=96, help="data.size and data.eval_size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--healed", type=int, default=1, choices=range(1, HEALTHY_SEEDS + 1), help="spoiled trainings to heal"
    )
    given = parser.parse_args()
    for name in given.only.split(","):
        path = given.out / f"{name}-{given.seed}.json"
        if not path.is_file():
            told = scenario(name, given)
            path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        told = json.loads(path.read_text(encoding="utf-8"))
        if told.get("healed_seeds", 0) < given.healed:
            told = {**told, **healthy(name, given)}
            path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        print(path.read_text(encoding="utf-8"), flush=True)
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(given.out.glob("*-*.json"))]
    store.write_json(RESULTS / "sabotage_dense.json", {"size": given.size, "rows": found})


def scenario(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """One spoiled training, healed and not."""
    how, folder = SCENARIOS[name], given.out / f"{name}-{given.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    answer = heal(name, given, folder / "healed", given.seed)
    data = how.spoil(given.data / how.data, given.out / f"{name}-data")
    first = first_run(folder / "healed")
    other, runs = seed_after_seed(data, folder, first, answer["seconds"])
    arms = [rows(other)], [rows(final(folder / "healed"))]
    effect = pair(*arms, metric="miou", level=0.95)
    return {
        "scenario": name, "seed": given.seed, "budget": given.budget, "n": effect.samples, "nothing": effect.baseline, "healed": effect.candidate,
        "effect": effect.effect, "low": effect.low, "high": effect.high, "first": first.cost["score"], "control_runs": runs,
        "seconds": answer["seconds"], **named(how, answer, first),
    }  # fmt: skip


def heal(name: str, given: argparse.Namespace, place: Path, seed: int) -> dict[str, Any]:
    """The program's answer to spoiled data or options; the case is in `place`."""
    how = SCENARIOS[name]
    data = how.spoil(given.data / how.data, given.out / f"{name}-data")
    return snellen(data, place, [*how.options, *sizes(given), "--budget", given.budget, "--seed", str(seed)])


def sizes(given: argparse.Namespace) -> list[str]:
    """Options of every training."""
    return [word for key in ("size", "eval_size") for word in ("--set", f"data.{key}={given.size}")]


def healthy(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """Trainings that nobody spoiled, of the first seeds and as many epochs as the first, and how far the spoiled ones of these seeds,
    and the one that was handed over, lie behind them: [effect, low, high], on the images that have the same mask in both. Pairs of
    several seeds, because two seeds of one recipe lie apart too."""
    how, folder = SCENARIOS[name], given.out / f"{name}-{given.seed}"
    epochs = sum(stage.epochs for stage in first_run(folder / "healed").recipe.stages)
    controls = sorted(folder.glob("control-*"))[:HEALTHY_SEEDS]
    well = []
    for number in range(len(controls)):
        place = folder / f"healthy-{number}"
        if not (place / "result.json").is_file():
            shutil.rmtree(place, ignore_errors=True)
            words = ["--no-heal", "--task", "segmentation", "--epochs", str(epochs), "--seed", str(given.seed + number)]
            snellen(given.data / (how.clean or how.data), place, [*words, *sizes(given)])
        well.append(final(place))
    found: dict[str, Any] = {}
    # The first of those that nothing was done about is the first run once more, with an answer to the test images.
    spoiled = [final(place) for place in controls]
    handed = [final(folder / "healed"), *(again_healed(name, given, number) for number in range(1, given.healed))]
    for key, runs in (("first", spoiled), ("healed", handed)):
        arms = [alike(*both) for both in zip(well, runs, strict=False)]
        effect = pair([one for one, _ in arms], [other for _, other in arms], metric="miou", level=0.95)
        found |= {
            f"{key}_behind": [effect.effect, effect.low, effect.high],
            f"{key}_seeds": effect.seeds,
            "healthy_n": effect.samples,
        }
        found |= {"healthy": effect.baseline, "healthy_seeds": effect.seeds} if key == "first" else {}
    return found


def again_healed(name: str, given: argparse.Namespace, number: int) -> Run:
    """What healing hands over of a further seed."""
    place = given.out / f"{name}-{given.seed}" / f"healed-{number}"
    if not (place / "result.json").is_file():
        shutil.rmtree(place, ignore_errors=True)
        heal(name, given, place, given.seed + number)
    return final(place)


def alike(one: Run, other: Run) -> tuple[Rows, Rows]:
    """Rows of two runs on the validation and test images that both have with the same mask, in one order and under one name."""
    mine, theirs = rows(one), rows(other)
    assert isinstance(mine, Statistics)
    assert isinstance(theirs, Statistics)
    # One copy of the data has names for its classes, the other numbers: the same, in one order.
    theirs = replace(theirs, classes=mine.classes)
    places, others = (
        {name: place for place, name in enumerate(names(run, told.ids))} for run, told in ((one, mine), (other, theirs))
    )
    kept = [
        name for name in sorted(places.keys() & others.keys())
        if all(np.array_equal(mine[key][places[name]], theirs[key][others[name]]) for key in mine.fixed)
    ]  # fmt: skip
    return (
        mine.take(np.asarray([places[name] for name in kept]), kept),
        theirs.take(np.asarray([others[name] for name in kept]), kept),
    )


def names(run: Run, ids: Sequence[str]) -> list[str]:
    """Split and file name of samples: what they are called in every copy of the data."""
    part = run.catalog.take(run.catalog.rows(ids))
    return [f"{split}/{path.name}" for split, path in zip(part.column("split").tolist(), part.paths(), strict=True)]


def named(how: Scenario, answer: Mapping[str, Any], first: Run) -> dict[str, Any]:
    """Rules that spoke of the first run and of the data, those that were right, and what was tried and decided."""
    said, verdicts = spoken(answer, first), tried(answer)
    return {
        "named": sorted(said), "right": [rule for rule in how.rules if rule in said], "verdicts": verdicts,
        "remedy": [one["remedy"] for one in verdicts if one["remedy"] in how.remedies],
    }  # fmt: skip


if __name__ == "__main__":
    main()
