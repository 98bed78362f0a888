"""Row 8: what the autopilot costs a healthy training, beside the same training without it.

    python bench/autopilot.py [--data FOLDER] [--images 300] [--epochs 2] [--head-epochs 30] [--rounds 3] [--quick]

Two trainings, each with and without by turns: all layers, and the head on cached features, whose short epochs are the hardest
case for anything that is done once an epoch. Nothing goes wrong in either, so both sides do the same steps; the weights are
compared bit for bit after the warm-up, and that is said in the note.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import _command
from _material import Material, material
from _rounds import Measured
from snellen import store
from snellen.recipe import Recipe
from snellen.train.loop import train

ON = {"train.autopilot": True}


def settings(stage: str, epochs: int) -> dict[str, Any]:
    """A training of one stage at its usual rate."""
    scale = {"head": 10.0, "all": 0.5}[stage]
    return {"stages": [{"name": stage, "unfreeze": stage, "epochs": epochs, "lr_scale": scale}]}


def weights(found: Material, recipe: Recipe) -> dict[str, torch.Tensor]:
    """The kept weights of a training."""
    return dict(store.read_tensors(found.train(recipe).checkpoint("best"))[0])


def sides(found: Material, recipes: Mapping[str, Recipe], cache: Path) -> dict[str, Any]:
    """The trainings, with features cached once for all: what is asked for is the cost of looking, not of embedding."""

    def side(name: str) -> Any:
        number = 0

        def run() -> None:
            nonlocal number
            number += 1
            folder = found.folder / f"{cache.name}-{name}-{number}"
            train(recipes[name], found.catalog, found.pixels, folder, setting=found.setting, cache=cache)

        return run

    return {name: side(name) for name in recipes}


def compared(found: Material, stage: str, epochs: int, given: Any) -> tuple[Measured, str]:
    """One training with and without, and what is to be said of it."""
    plain = found.recipe.change(settings(stage, epochs))
    recipes = {"ours": plain.change(ON), "peer": plain}
    first, second = (weights(found, recipe) for recipe in recipes.values())
    same = all(torch.equal(first[key], second[key]) for key in first)
    measured = _command.measured(sides(found, recipes, found.folder / f"cache-{stage}"), given)
    note = f"{found}; {epochs} epochs of {stage}. Final weights {'' if same else 'not '}equal bit for bit."
    return measured, note


def main() -> None:
    """Measure and keep."""
    made = _command.parser(__doc__, rounds=3)
    made.add_argument("--images", type=int, default=300)
    made.add_argument("--epochs", type=int, default=2, help="epochs of all layers")
    made.add_argument("--head-epochs", type=int, default=30)
    given = _command.parse(made)
    if given.quick:
        given.head_epochs = given.epochs
    with material(given, {}, images=given.images) as found:
        every, said = compared(found, "all", given.epochs, given)
        head, of_head = compared(found, "head", given.head_epochs, given)
    ratios = [
        every.ratio("8", "autopilot on over off, all layers", goal="<= 1.03", note=said),
        head.ratio("8", "autopilot on over off, head on cached features", goal="<= 1.03", note=of_head),
    ]
    _command.finish("autopilot", ratios, [every, head], given)


if __name__ == "__main__":
    main()
