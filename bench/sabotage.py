"""Sabotage: three spoiled trainings, each healed by `snellen run` and, beside it, done nothing about at equal compute.

    python bench/sabotage.py DATA [--budget 6m] [--seeds 1] [--out FOLDER] [--only rate,overfit,rare]

DATA is an image folder with train/val/test. For every spoiled recipe the same command runs twice: with healing, and
with `--no-heal` and as many more epochs as the healing cost in time. Both final models are compared on the same test
(and validation + test) images: paired by image and, with several seeds, by seed.
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
        factor = answer["seconds"] / max(first.cost["seconds"], 1.0)
        epochs = sum(stage.epochs for stage in first.recipe.stages)
        # The same recipe as advised in the healed case, with the whole time spent on more epochs of it.
        longer = folder / "longer.yaml"
        first.recipe.save(longer)
        same = ["--recipe", str(longer), "--epochs", str(round(epochs * factor)), "--seed", str(seed), "--no-heal"]
        began = time.monotonic()
        _snellen(data, folder / "control", same)
        healed.append(_rows(folder / "healed"))
        control.append(_rows(folder / "control"))
        facts = _facts(name, answer, first) | {
            "control_seconds": round(time.monotonic() - began),
            "control_epochs": round(epochs * factor),
        }
    effect = pair(control, healed, metric=METRIC[name], level=0.95)
    loss = pair(control, healed, metric="log_loss", level=0.95)
    return {
        "scenario": name, "n": effect.samples, "seeds": effect.seeds, "metric": METRIC[name], "nothing": round(effect.baseline, 4),
        "healed": round(effect.candidate, 4), "effect": round(effect.effect, 4), "low": round(effect.low, 4), "high": round(effect.high, 4),
        "log_loss_effect": [round(value, 4) for value in (loss.effect, loss.low, loss.high)], **facts,
    }  # fmt: skip


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
    run = Run(case / "runs" / json.loads((case / "final.json").read_text())["run"])
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
