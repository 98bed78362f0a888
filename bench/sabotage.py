"""Sabotage: three spoiled trainings, each healed by `snellen run` and, beside it, done nothing about at equal compute.

    python bench/sabotage.py DATA [--budget 6m] [--seeds 1] [--out FOLDER] [--only rate,overfit,rare]

DATA is an image folder with train/val/test. For every spoiled recipe the same command runs with healing, and beside it
nothing is done for as long, in one of two ways (`--control`). `longer`: `--no-heal` and as many more epochs as the healing cost
in time; that changes the recipe too, for training longer is a remedy of its own. `seeds`: the spoiled recipe as it is, with
seed after seed until the time is used up, of which the run that is best on validation is taken. Both final models are
compared on the same validation + test images: paired by image and, with several seeds, by seed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from snellen.improve.pair import pair
from snellen.run import Predictions, Run

NO_REGULARISATION = (
    "augment.parts=[]", "augment.cutmix=0", "augment.mixup=0", "loss.settings={smoothing: 0.0}", "model.dropout=0",
    "optim.weight_decay=0", "train.ema=0",
)  # fmt: skip
RULES = {
    "rate": ("rate_too_high",),
    "overfit": ("overfitting",),
    "rare": ("weak_class", "class_imbalance", "tiny_classes"),
}
METRIC = {"rate": "accuracy", "overfit": "accuracy", "rare": "recall_macro"}


def main() -> None:
    """Run all scenarios and print a table and one JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--budget", default="6m")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rare", default="fruit", help="the class that is cut to 8 images")
    parser.add_argument("--only", default="rate,overfit,rare")
    parser.add_argument(
        "--control", choices=("longer", "seeds"), default="longer", help="how the other side spends the time"
    )
    parser.add_argument("--size", type=int, default=None, help="data.size; the default is the advised one")
    parser.add_argument("--out", type=Path, default=Path(tempfile.mkdtemp(prefix="sabotage-")))
    given = parser.parse_args()
    for name in given.only.split(","):
        print(json.dumps(scenario(name, given)), flush=True)


def scenario(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """One spoiled training, healed and not."""
    data = given.data if name != "rare" else _cut(given.data, given.rare, given.out / "data")
    options = {
        "rate": ["--set", "optim.lr=2e-2"],
        "overfit": [word for item in NO_REGULARISATION for word in ("--set", item)] + ["--epochs", "30"],
        "rare": [],
    }[name]
    if given.size:
        options += ["--set", f"data.size={given.size}"]
    healed, control, facts = [], [], {}
    for seed in range(given.seeds):
        folder = given.out / f"{name}-{seed}"
        answer = _snellen(data, folder / "healed", [*options, "--budget", given.budget, "--seed", str(seed)])
        first = _first_run(folder / "healed")
        began = time.monotonic()
        spend = _longer if given.control == "longer" else _seeds
        rows, told = spend(data, folder, first, answer["seconds"])
        healed.append(_rows(folder / "healed"))
        control.append(rows)
        facts = _facts(name, answer, first) | {"control_seconds": round(time.monotonic() - began), **told}
    effect = pair(control, healed, metric=METRIC[name], level=0.95)
    loss = pair(control, healed, metric="log_loss", level=0.95)
    return {
        "scenario": name, "n": effect.samples, "seeds": effect.seeds, "metric": METRIC[name], "nothing": round(effect.baseline, 4),
        "healed": round(effect.candidate, 4), "effect": round(effect.effect, 4), "low": round(effect.low, 4), "high": round(effect.high, 4),
        "log_loss_effect": [round(value, 4) for value in (loss.effect, loss.low, loss.high)], **facts,
    }  # fmt: skip


def _longer(data: Path, folder: Path, first: Run, seconds: float) -> tuple[Predictions, dict[str, Any]]:
    """The recipe of the first run with as many epochs as fill the time."""
    epochs = round(sum(stage.epochs for stage in first.recipe.stages) * seconds / max(first.cost["seconds"], 1.0))
    first.recipe.save(folder / "first.yaml")
    same = [
        "--recipe",
        str(folder / "first.yaml"),
        "--epochs",
        str(epochs),
        "--seed",
        str(first.recipe.seed),
        "--no-heal",
    ]
    _snellen(data, folder / "control", same)
    return _rows(folder / "control"), {"control": "longer", "control_epochs": epochs}


def _seeds(data: Path, folder: Path, first: Run, seconds: float) -> tuple[Predictions, dict[str, Any]]:
    """The recipe of the first run with seed after seed, as many as fill the time; the one that is best on validation."""
    first.recipe.save(folder / "first.yaml")
    tried: list[tuple[float, Path]] = []
    spent = 0.0
    # The last one is begun where at least half of it fits.
    while not tried or spent + 0.5 * spent / len(tried) < seconds:
        case, seed = folder / f"control-{len(tried)}", first.recipe.seed + len(tried)
        same = ["--recipe", str(folder / "first.yaml"), "--seed", str(seed), "--no-heal", "--set", "improve.soup=false"]
        spent += float(_snellen(data, case, same)["seconds"])
        tried.append((_final(case).cost["score"], case))
    best = max(tried, key=lambda one: one[0])[1]
    return _rows(best), {"control": "seeds", "control_runs": len(tried)}


def _final(case: Path) -> Run:
    return Run(case / "runs" / json.loads((case / "final.json").read_text())["run"])


def _snellen(data: Path, out: Path, options: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "snellen", "run", str(data), "--out", str(out), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _first_run(case: Path) -> Run:
    plan = json.loads((case / "plan.json").read_text())["recipe"]
    runs = [Run(path.parent) for path in (case / "runs").glob("*/DONE")]
    return next(run for run in runs if run.recipe.plain() == plan)


def _rows(case: Path) -> Predictions:
    """Validation and test rows of the final run: the union is what the comparison has most power on."""
    run = _final(case)
    parts = [run.predictions(split) for split in ("val", "test")]
    return Predictions(
        tuple(i for part in parts for i in part.ids), np.concatenate([part.targets for part in parts]),
        np.concatenate([part.probabilities for part in parts]), parts[0].classes,
    )  # fmt: skip


def _facts(name: str, answer: dict[str, Any], first: Run) -> dict[str, Any]:
    named = sorted(
        {finding.rule for finding in first.findings if finding.severity != "info"}
        | {finding["rule"] for finding in answer["findings"] if finding["severity"] != "info"}
    )
    tried = [
        {key: row[key] for key in ("remedy", "finding", "metric", "effect", "low", "high", "decision")}
        for row in answer["verdicts"]
    ]
    right = [rule for rule in named if rule in RULES[name]]
    return {"named": named, "right": right, "verdicts": tried, "healed_seconds": round(answer["seconds"])}


def _cut(data: Path, rare: str, out: Path) -> Path:
    """A copy of the data whose class `rare` keeps its first 8 training images."""
    if not out.exists():
        shutil.copytree(data, out)
        for path in sorted((out / "train" / rare).iterdir())[8:]:
            path.unlink()
    return out


if __name__ == "__main__":
    main()
