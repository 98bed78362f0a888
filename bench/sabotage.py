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
import tempfile
import time
from pathlib import Path
from typing import Any

from _sabotage import again, final, first_run, rows, seed_after_seed, snellen, spoken, tried
from snellen.improve.pair import pair
from snellen.run import Run

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
    """Run the scenarios; print one JSON line for each."""
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
        answer = snellen(data, folder / "healed", [*options, "--budget", given.budget, "--seed", str(seed)])
        first = first_run(folder / "healed")
        began = time.monotonic()
        spend = _longer if given.control == "longer" else _seeds
        other, told = spend(data, folder, first, answer["seconds"])
        healed.append(rows(final(folder / "healed")))
        control.append(rows(other))
        facts = _facts(name, answer, first) | {"control_seconds": round(time.monotonic() - began), **told}
    effect = pair(control, healed, metric=METRIC[name], level=0.95)
    loss = pair(control, healed, metric="log_loss", level=0.95)
    return {
        "scenario": name, "n": effect.samples, "seeds": effect.seeds, "metric": METRIC[name], "nothing": round(effect.baseline, 4),
        "healed": round(effect.candidate, 4), "effect": round(effect.effect, 4), "low": round(effect.low, 4), "high": round(effect.high, 4),
        "log_loss_effect": [round(value, 4) for value in (loss.effect, loss.low, loss.high)], **facts,
    }  # fmt: skip


def _longer(data: Path, folder: Path, first: Run, seconds: float) -> tuple[Run, dict[str, Any]]:
    """The recipe of the first run with as many epochs as fill the time."""
    epochs = round(sum(stage.epochs for stage in first.recipe.stages) * seconds / max(first.cost["seconds"], 1.0))
    again(data, folder / "control", first, ["--epochs", str(epochs)], seed=first.recipe.seed)
    return final(folder / "control"), {"control": "longer", "control_epochs": epochs}


def _seeds(data: Path, folder: Path, first: Run, seconds: float) -> tuple[Run, dict[str, Any]]:
    best, runs = seed_after_seed(data, folder, first, seconds)
    return best, {"control": "seeds", "control_runs": runs}


def _facts(name: str, answer: dict[str, Any], first: Run) -> dict[str, Any]:
    named = sorted(spoken(answer, first))
    right = [rule for rule in named if rule in RULES[name]]
    return {"named": named, "right": right, "verdicts": tried(answer), "healed_seconds": round(answer["seconds"])}


def _cut(data: Path, rare: str, out: Path) -> Path:
    """A copy of the data whose class `rare` keeps its first 8 training images."""
    if not out.exists():
        shutil.copytree(data, out)
        for path in sorted((out / "train" / rare).iterdir())[8:]:
            path.unlink()
    return out


if __name__ == "__main__":
    main()
