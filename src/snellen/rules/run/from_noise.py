"""What it does
Finds a training that began from random weights on few images and did not get far on validation.

Why it matters
What a network sees first (edges, textures, parts) is alike for most photographs, and is learned from many more images than are
here. Pretrained weights bring it along.

Known problems
Images that are not like photographs (spectra, sensor fields) may gain little from such weights. Ten thousand images and more
can do without.

Source
SPEC M1; S. Kornblith, J. Shlens, Q. Le, arXiv:1805.08974 (pretrained networks need far fewer images and epochs).
"""

from __future__ import annotations

from typing import Any

from snellen.rules.curves import among_classes, classes, median, needed, numbers, told
from snellen.run import Run
from snellen.values import Finding

READS = ("recall",)


def from_noise(run: Run, *, images: int = 10_000, way: float = 0.8, epochs: int = 3) -> list[Finding]:
    """Find random weights that few images could not replace.

    `images`: as many for training can do without; `way`: share of the way from guessing to all right that validation accuracy
    (median of the last `epochs`) must have made.
    """
    records = run.signals("loss")
    if told(run, "model.weights") != "none" or not among_classes(run) or not run.knows("catalog"):
        return []
    n = len(run.catalog.usable().of("train"))
    needed(records, "val_accuracy")
    right = median(numbers(records[-epochs:], "val_accuracy"))
    guess = 1 / classes(run)
    reached = (right - guess) / (1 - guess)
    if n >= images or not reached < way:
        return []
    message = (
        f"The network began from random weights and has {n} training images; it is right on {right:.1%} of the validation images "
        f"(guessing: {guess:.1%})."
    )
    evidence = {
        "n": n,
        "val_accuracy": right,
        "guess": guess,
        "way": reached,
        "limit": way,
        "model": run.recipe.model.name,
    }
    return [Finding(rule="from_noise", severity="warn", message=message, evidence=evidence)]


def _case(accuracy: float, weights: str = "none") -> dict[str, Any]:
    signals = [{"meter": "loss", "stage": "all", "train": 1.0, "val": 1.2, "val_accuracy": accuracy}] * 3
    return {"signals": signals, "recipe": {"model.weights": weights}, "catalog": {"target": ["a", "b", "c", "d"] * 10}}


FIRES = (_case(0.3), _case(0.6))
SILENT = (_case(0.3, "auto"), _case(0.9), _case(0.3, "weights.safetensors"))
