"""Row 5: the last two stages trained from cached activations at the frozen boundary, against running the frozen part again.

    python bench/boundary.py [--data FOLDER] [--images 1200] [--epochs 8] [--views 2] [--rounds 7] [--quick]

Both sides are `train()` with a recipe of one `last` stage, with `train.cache` auto and off: off is the usual
`requires_grad=False`. The whole trainings are compared, the making of the cache included; a second line compares an epoch
(steps and evaluation) when the cache is there.
"""

from __future__ import annotations

import numpy as np

import _command
from _material import Material, material
from snellen.recipe import Recipe


def settings(epochs: int, views: int) -> dict[str, object]:
    """One stage of the last two sections and the head."""
    return {
        "stages": [{"name": "last", "unfreeze": "last", "epochs": epochs}],
        "train.views": views, "augment.mixup": 0.0, "augment.cutmix": 0.0,
    }  # fmt: skip


def trained(found: Material, recipe: Recipe, scores: dict[str, float]) -> dict[str, float]:
    """Train from an empty cache; the median seconds of an epoch by the run's own signals."""
    run = found.train(recipe)
    scores[recipe.train.cache] = float(run.predictions("val").correct.mean())
    # In the first epoch evaluation makes a cache of its own.
    later = [item["seconds"] + item["evaluation_seconds"] for item in run.signals("speed")[1:]]
    return {"epoch": float(np.median(later))}


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__)
    made.add_argument("--images", type=int, default=1200)
    made.add_argument("--epochs", type=int, default=8)
    made.add_argument("--views", type=int, default=2)
    given = _command.parse(made)
    scores: dict[str, float] = {}
    epochs, views = (3, 1) if given.quick else (given.epochs, given.views)
    with material(given, settings(epochs, views), images=given.images) as found:
        rerun = found.recipe.change({"train.cache": "off"})
        sides = {
            "ours": lambda: trained(found, found.recipe, scores),
            "peer": lambda: trained(found, rerun, scores),
        }
        measured = _command.measured(sides, given)
        note = f"{found}; {epochs} epochs, {views} views, from an empty cache."
    note += f" Validation accuracy {scores['auto']:.3f}, peer {scores['off']:.3f} (the peer augments afresh in every epoch)."
    ratios = [
        measured.ratio("5", "last two stages, whole training", goal=">= 1.9", note=note),
        measured.ratio(
            "5", "last two stages, an epoch after the first", goal="", ours="ours epoch", peer="peer epoch",
            note="steps and evaluation, as the run's speed signals tell them.",
        ),
    ]  # fmt: skip
    _command.finish("boundary", ratios, [measured], given)


if __name__ == "__main__":
    main()
