"""Row 7: training at growing resolution against constant resolution, at equal epochs, with the difference of accuracy.

    python bench/progressive.py [--data FOLDER] [--images 800] [--epochs 5] [--rounds 2] [--quick]

Both sides are `train()` with a head stage and a stage of all layers, with `train.progressive` true and false. Every round has
a seed of its own, the same for both sides; accuracies are paired by seed and validation image (`snellen.improve.pair`), over
all rounds, also those whose times are dropped.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import _command
from _material import Material, material
from snellen.improve.pair import Effect, pair
from snellen.recipe import Recipe
from snellen.run import Predictions

# As much accuracy (share of right answers) may progressive resolution cost.
MARGIN = 0.002


def settings(epochs: int) -> dict[str, object]:
    """The head, then all layers."""
    stages = [
        {"name": "head", "unfreeze": "head", "epochs": 5, "lr_scale": 10.0},
        {"name": "all", "unfreeze": "all", "epochs": epochs, "lr_scale": 1.0, "warmup": 1.0},
    ]
    return {"stages": stages, "data.eval_size": 160, "optim.lr": 5e-4}


def trained(found: Material, recipe: Recipe, seeds: Iterator[int], rows: list[Predictions]) -> dict[str, float]:
    """Train one more seed; seconds of the stage of all layers, without its evaluations."""
    recipe = recipe.change({"seed": next(seeds)})
    run = found.train(recipe)
    rows.append(run.predictions("val"))
    return {"steps": sum(item["seconds"] for item in run.signals("speed") if item["stage"] == "all")}


def words(effect: Effect) -> str:
    """What the accuracies say, in points."""
    low, high = 100 * effect.low, 100 * effect.high
    if low >= -100 * MARGIN:
        said = f"within {100 * MARGIN:.1f} points or better"
    elif high < -100 * MARGIN:
        said = f"worse by more than {100 * MARGIN:.1f} points"
    else:
        said = f"undecided whether within {100 * MARGIN:.1f} points"
    return (
        f"Validation accuracy {effect.candidate:.4f} against {effect.baseline:.4f}: {100 * effect.effect:+.2f} points, 95 % "
        f"interval {low:+.2f} to {high:+.2f} over {effect.seeds} seeds and {effect.samples} images: {said}."
    )


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__, rounds=2)  # A round takes minutes.
    made.add_argument("--images", type=int, default=800)
    made.add_argument("--epochs", type=int, default=5, help="of the stage of all layers")
    given = _command.parse(made)
    constant: list[Predictions] = []
    growing: list[Predictions] = []
    seeds = itertools.count(), itertools.count()
    epochs = 3 if given.quick else given.epochs
    patch = settings(epochs) | ({"data.eval_size": 32} if given.quick else {})
    with material(given, patch, images=given.images) as found:
        grown = found.recipe.change({"train.progressive": True})
        sides = {
            "ours": lambda: trained(found, grown, seeds[0], growing),
            "peer": lambda: trained(found, found.recipe, seeds[1], constant),
        }
        measured = _command.measured(sides, given, warm=False)
        note = f"{found}; {epochs} epochs of all layers after 5 of the head."
    effect = pair(constant, growing, metric="accuracy", level=0.95)
    ratios = [
        measured.ratio("7", "progressive resolution, whole training", goal=">= 1.25", note=f"{note} {words(effect)}"),
        measured.ratio(
            "7", "progressive resolution, steps of all layers", goal="", ours="ours steps", peer="peer steps",
            note="without evaluation and the head.",
        ),
    ]  # fmt: skip
    _command.finish("progressive", ratios, [measured], given)


if __name__ == "__main__":
    main()
