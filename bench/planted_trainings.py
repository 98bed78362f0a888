"""Planted training faults: 24 kinds, seeded, each trained with three arms at equal compute: nothing, random, heal.

    python bench/planted_trainings.py DATA [DATA…] --out FOLDER [--budget 6m] [--seeds 3] [--only KIND,…] [--set KEY=VALUE …]

DATA are image folders with train/ and val/ (or class folders alone). A fault is a change of the recipe or of a copy of the
training images; what it needs of chance is drawn from the kind, the name of the data and the seed. Nothing here reads the rules.

heal: `snellen run --budget`. random: as many trainings as healing took, of the faulty recipe with one random remedy each; the
best on validation counts. nothing: the faulty recipe with the whole time spent on more epochs of it. healthy: the recipe
without the fault, for reference. Every finished arm is one record of FOLDER/results.jsonl and is not done again; an arm that was
stopped goes on with --resume.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from snellen.recipe import Recipe
from snellen.run import Run
from snellen.shelf import REMEDIES
from snellen.store import Journal
from snellen.values import Finding

ARMS = ("healthy", "nothing", "random", "heal")
Spoil = Callable[[Path, random.Random], None]
OFF = {"augment.parts": [], "augment.cutmix": 0.0, "augment.mixup": 0.0, "model.dropout": 0.0, "train.ema": 0.0,
       "loss.settings": {"smoothing": 0.0}, "optim.weight_decay": 0.0}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """`names`: rules of which one should speak; `patch`: recipe keys; `spoil`: done to a copy of the data; `healable`: whether a
    change of the recipe can undo it."""

    names: tuple[str, ...]
    patch: Mapping[str, Any]
    spoil: Spoil | None = None
    healable: bool = True
    epochs: int | None = None


def _train(data: Path) -> Path:
    return data / "train" if (data / "train").is_dir() else data


def _classes(data: Path) -> list[Path]:
    return sorted(path for path in _train(data).iterdir() if path.is_dir())


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))


def _wrong_labels(share: float) -> Spoil:
    def spoil(data: Path, chance: random.Random) -> None:
        folders = _classes(data)
        for folder in folders:
            for path in [path for path in _images(folder) if "moved-" not in path.name]:
                if chance.random() < share:
                    other = chance.choice([item for item in folders if item != folder])
                    path.rename(other / f"moved-{folder.name}-{path.name}")

    return spoil


def _fewer(share: float, one: bool) -> Spoil:
    def spoil(data: Path, chance: random.Random) -> None:
        folders = _classes(data)
        for folder in [chance.choice(folders)] if one else chance.sample(folders, max(1, len(folders) // 2)):
            images = _images(folder)
            for path in chance.sample(images, max(0, len(images) - max(4, round(share * len(images))))):
                path.unlink()

    return spoil


def _pixels(change: Callable[[Image.Image], Image.Image], side: str, share: float) -> Spoil:
    def spoil(data: Path, chance: random.Random) -> None:
        for path in _images(data / side if (data / side).is_dir() else data):
            if chance.random() < share:
                with Image.open(path) as opened:
                    image = change(opened.convert("RGB"))
                image.save(path)

    return spoil


def _one_class(change: Callable[[Image.Image], Image.Image]) -> Spoil:
    def spoil(data: Path, chance: random.Random) -> None:
        name = chance.choice(_classes(data)).name
        for path in (path for path in _images(data) if path.parent.name == name and "train" in path.parts):
            with Image.open(path) as opened:
                image = change(opened.convert("RGB"))
            image.save(path)

    return spoil


def _darker(image: Image.Image) -> Image.Image:
    return image.point([int(value * 0.4) for value in range(256)] * 3)


def _swapped(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image)[..., ::-1].copy())


def _blurred(image: Image.Image) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 30))


def _marked(image: Image.Image) -> Image.Image:
    side = max(4, min(image.size) // 8)
    image = image.copy()
    image.paste((255, 0, 255), (2, 2, 2 + side, 2 + side))
    return image


def _copies(to: str, count: float) -> Spoil:
    def spoil(data: Path, chance: random.Random) -> None:
        images = _images(_train(data))
        for path in chance.sample(images, round(count * len(images))):
            place = (data / to / path.parent.name) if (data / to).is_dir() else path.parent
            place.mkdir(exist_ok=True)
            shutil.copy(path, place / f"copy-{path.name}")

    return spoil


HEAVY = [{"name": "crop", "settings": {"low": 0.02}}, {"name": "rotate", "settings": {"degrees": 180.0}}]
FAULTS: Mapping[str, Fault] = {
    "rate_high": Fault(("rate_too_high", "diverging"), {"optim.lr": 2e-2}),
    "rate_absurd": Fault(("rate_too_high", "diverging", "nonfinite"), {"optim.lr": 2.0, "optim.clip": None}),
    "rate_low": Fault(("underfitting",), {"optim.lr": 1e-6}),
    "rate_high_sgd": Fault(("rate_too_high", "diverging"), {"optim.name": "sgd", "optim.settings": {}, "optim.lr": 5.0}),
    "rate_low_sgd": Fault(("underfitting",), {"optim.name": "sgd", "optim.settings": {}, "optim.lr": 1e-5}),
    "no_clip": Fault(("gradient_unstable", "rate_too_high"), {"optim.clip": None, "optim.lr": 5e-3}),
    "no_regularisation": Fault(("overfitting",), OFF, epochs=40),
    "no_regularisation_longer": Fault(("overfitting", "past_best"), OFF, epochs=80),
    "few_epochs": Fault(("underfitting",), {}, epochs=3),
    "decay_huge": Fault(("underfitting", "rate_too_high"), {"optim.weight_decay": 30.0}),
    "dropout_huge": Fault(("underfitting",), {"model.dropout": 0.95}),
    "smoothing_huge": Fault(("underfitting",), {"loss.settings": {"smoothing": 0.9}}),
    "batch_tiny": Fault(("gradient_unstable", "broken_norm", "rate_too_high"), {"train.batch": 2}),
    "not_pretrained": Fault(("underfitting",), {"model.weights": "none"}, epochs=6),
    "augmented_to_death": Fault(("underfitting",), {"augment.parts": HEAVY}),
    "too_small": Fault(("underfitting", "weak_class"), {"data.size": 16, "data.eval_size": 16}),
    "labels_wrong": Fault(("label_noise", "memorised"), {}, _wrong_labels(0.3)),
    "labels_wrong_by_heart": Fault(("label_noise", "memorised"), OFF, _wrong_labels(0.2), epochs=40),
    "class_rare": Fault(("weak_class", "class_imbalance", "tiny_classes"), {}, _fewer(0.08, True)),
    "imbalanced": Fault(("class_imbalance", "weak_class", "tiny_classes"), {}, _fewer(0.1, False)),
    "validation_dark": Fault(("validation_shifted", "weak_condition"), {}, _pixels(_darker, "val", 1.0), healable=False),
    "validation_swapped": Fault(("channel_order", "validation_shifted"), {}, _pixels(_swapped, "val", 1.0), healable=False),
    "class_blurred": Fault(("blurred_images", "weak_class", "weak_condition"), {}, _one_class(_blurred)),
    "marker": Fault(("shortcut_marker",), {}, _one_class(_marked), healable=False),
    "leaked": Fault(("leakage",), {}, _copies("val", 0.1)),
    "copied": Fault(("exact_duplicates", "near_duplicates"), {}, _copies("train", 0.5)),
}  # fmt: skip


def main() -> None:
    """Do every cell that results.jsonl does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget", default="6m")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default=",".join(FAULTS))
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE for every arm, for instance data.size=64")
    given = parser.parse_args()
    journal = Journal(given.out / "results.jsonl")
    done = {(item["kind"], item["data"], item["seed"], item["arm"]) for item in journal.read()}
    for data in given.data:
        for kind in given.only.split(","):
            for seed in range(given.seeds):
                for arm in ("heal", *(arm for arm in ARMS if arm != "heal")):
                    if (kind, data.name, seed, arm) not in done:
                        record = cell(kind, data, seed, arm, given, journal)
                        journal.append(record)
                        print(json.dumps(record), flush=True)


def drawn(kind: str, data: str, seed: int) -> random.Random:
    """The chance of one cell, whatever was done before it."""
    return random.Random(hashlib.blake2b(f"{kind}/{data}/{seed}".encode()).hexdigest())


def cell(kind: str, data: Path, seed: int, arm: str, given: argparse.Namespace, journal: Journal) -> dict[str, Any]:
    """One arm of one planted fault."""
    fault, place = FAULTS[kind], given.out / data.name / kind / str(seed)
    spoiled = planted(fault, data, place, drawn(kind, data.name, seed)) if arm != "healthy" else data
    patch = {} if arm == "healthy" else dict(fault.patch)
    words = [*_sets(patch), *(word for item in given.set for word in ("--set", item)), "--seed", str(seed)]
    epochs = [] if fault.epochs is None or arm == "healthy" else ["--epochs", str(fault.epochs)]
    common = {"kind": kind, "data": data.name, "seed": seed, "arm": arm, "healable": fault.healable}
    if arm in ("healthy", "heal"):
        stop = ["--no-heal"] if arm == "healthy" else []
        answer = _snellen(spoiled, place / arm, [*words, *epochs, *stop, "--budget", given.budget])
        first = (
            sorted({item["rule"] for item in _first(place / arm).findings if item.severity != "info"})
            if arm == "heal"
            else []
        )
        return common | told(answer) | {"right": bool({*first, *_audit(answer)} & set(fault.names)), "first": first}
    healed = next(
        item for item in journal.read()
        if (item["kind"], item["data"], item["seed"], item["arm"]) == (kind, data.name, seed, "heal")
    )  # fmt: skip
    first_run = _first(place / "heal")
    if arm == "nothing":
        total = sum(stage.epochs for stage in first_run.recipe.stages)
        longer = max(total, round(total * healed["seconds"] / max(first_run.cost["seconds"], 1.0)))
        return common | told(_again(spoiled, place / arm, first_run.recipe, longer))
    return common | _random(spoiled, place / arm, first_run, healed["runs"], drawn(f"{kind}+", data.name, seed))


def planted(fault: Fault, data: Path, place: Path, chance: random.Random) -> Path:
    """The data with its fault: a copy, made whole or not at all; the data itself where only the recipe is faulty."""
    if fault.spoil is None:
        return data
    copy, ready = place / "data", place / "planted"
    if not ready.exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(data, copy)
        fault.spoil(copy, chance)
        ready.touch()
    return copy


def _random(data: Path, place: Path, first: Run, runs: int, chance: random.Random) -> dict[str, Any]:
    """As many trainings as healing took, each with one random remedy; the test score of the best on validation."""
    proposals = []
    for name in REMEDIES.names():
        module = REMEDIES.module(name)
        finding = Finding(rule=module.CURES[0], severity="warn", message="1", evidence={"kind": "low_rate", "place": 3})
        remedy = getattr(module, name)(finding, first.recipe)
        proposals += [remedy] if remedy is not None else []
    chosen = chance.sample(proposals, min(len(proposals), max(1, runs - 1)))
    answers = [told(_again(data, place / "faulty", first.recipe, None))]
    answers += [told(_again(data, place / item.name, first.recipe.change(item.patch), None)) for item in chosen]
    best = max(answers, key=lambda item: item["val"])
    return {**best, "seconds": sum(item["seconds"] for item in answers), "runs": len(answers)}


def _again(data: Path, place: Path, recipe: Recipe, epochs: int | None) -> dict[str, Any]:
    file = place.parent / f"{place.name}.yaml"
    recipe.save(file)
    more = ["--epochs", str(epochs)] if epochs else []
    return _snellen(data, place, ["--recipe", str(file), "--no-heal", *more])


def _sets(patch: Mapping[str, Any]) -> list[str]:
    return [word for key, value in patch.items() for word in ("--set", f"{key}={json.dumps(value)}")]


def _snellen(data: Path, out: Path, options: list[str]) -> dict[str, Any]:
    resume = ["--resume"] if out.exists() else []
    command = [sys.executable, "-m", "snellen", "run", str(data), "--out", str(out), "--json", *options, *resume]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer | {"case": str(out)}


def told(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What counts of a finished case."""
    final = json.loads((Path(answer["case"]) / "final.json").read_text())
    adopted = [row["remedy"] for row in answer["verdicts"] if row["decision"] == "adopt"]
    return {
        "test": answer["test"]["accuracy"], "val": final["val"]["accuracy"]["value"], "seconds": answer["seconds"],
        "runs": len(list((Path(answer["case"]) / "runs").glob("*/DONE"))), "adopted": adopted,
        "warned": sorted({item["rule"] for item in answer["findings"] if item["severity"] != "info"}),
    }  # fmt: skip


def _audit(answer: Mapping[str, Any]) -> set[str]:
    return {item["rule"] for item in answer["findings"] if item["severity"] != "info"}


def _first(case: Path) -> Run:
    plan = json.loads((case / "plan.json").read_text())["recipe"]
    runs = [Run(path.parent) for path in (case / "runs").glob("*/DONE")]
    return next(run for run in runs if run.recipe.plain() == plan)


if __name__ == "__main__":
    main()
