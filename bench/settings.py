"""What each switch of `recipe.train` does to a training step of one model here: time and memory against the default.

    python bench/settings.py MODEL [--size 128] [--batch 32] [--rounds 5] [--threads N] [--compile]

MODEL is a timm name or a part of the models shelf; its weights are noise, which costs the same. Prints one row per switch:
time as the median of the ratios within each round (least and largest beside it), memory as the most bytes that a step holds
beyond the weights. Nothing here has been measured on a GPU by the project's own checks; there, fp16 is among the rows.
"""

from __future__ import annotations

import argparse

import torch

from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.train.effects import Effect, effects
from snellen.train.machine import processor


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--size", type=int, default=128, help="pixels per side")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too (about a minute on a CPU)")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    patch = {"model.name": given.model, "model.weights": "none", "data.size": given.size, "data.eval_size": given.size}
    recipe = Recipe().change(patch)
    task = TASKS.pick(recipe.task)()
    found = effects(
        lambda: task.model(recipe, ("a", "b")),
        size=given.size,
        batch=given.batch,
        compile=given.compile,
        rounds=given.rounds,
    )
    print(
        f"{given.model}, {given.batch} images of {given.size} px, {given.rounds} rounds, {torch.get_num_threads()} threads, "
        f"{processor()}, torch {torch.__version__}\n"
    )
    print("| train. | ms | time (least to largest) | MB | memory |\n|---|---|---|---|---|")
    for effect in found:
        print(row(effect))


def row(effect: Effect) -> str:
    """One line of the table; a switch without figures gives its reason."""
    if effect.seconds is None:
        return f"| {effect.name} | – | {effect.note} | – | – |"
    least, largest = effect.spread
    memory = "– | –" if effect.bytes is None else f"{effect.bytes / 1e6:.0f} | {effect.memory:.2f}×"
    return f"| {effect.name} | {effect.seconds * 1000:.0f} | {effect.time:.2f}× ({least:.2f} to {largest:.2f}) | {memory} |"


if __name__ == "__main__":
    main()
