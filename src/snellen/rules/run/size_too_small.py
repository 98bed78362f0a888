"""What it does
Finds a classifier that is trained and evaluated on images of fewer than 64 px, cut down from at least twice as many, and that is not
near to all right on validation.

Why it matters
Most networks end at a stride of 32: of fewer than 64 px they see less than two places a side, so that nothing can lie beside anything
else. What was thrown away with the pixels no training brings back; the size is the first lever for what is small.

Known problems
Networks made for small images end at a finer stride. Where a larger size does not fit into the time, that is known and meant. That
pixels are what is missing is not shown. Larger images than were stored have to be read anew, with another data.size.

Source
SPEC M1; M. Tan, Q. Le, arXiv:1905.11946, section 3.3 (resolution); H. Touvron et al., arXiv:1906.06423 (the size at evaluation counts too).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from snellen.rules.curves import among_classes, classes, median, needed, numbers
from snellen.run import Run
from snellen.values import Finding

READS = ("recall",)


def size_too_small(
    run: Run, *, least: int = 64, ratio: float = 2.0, way: float = 0.8, epochs: int = 3
) -> list[Finding]:
    """Find images that were cut down too far.

    `least`: pixels a side, in training or at evaluation, that are enough. `ratio`: of the images' own shorter side (median) to that.
    `way`: share of the way from guessing to all right that validation accuracy (median of the last `epochs`) must have made.
    """
    records = run.signals("loss")
    if not run.knows("data.size") or not run.knows("catalog") or not among_classes(run):
        return []
    data = run.recipe.data
    shown = max(data.size, data.eval_size or data.size)
    if shown >= least:
        return []
    needed(records, "val_accuracy")
    images = run.catalog.usable()
    side = float(np.median(np.minimum(images.column("width").astype(float), images.column("height").astype(float))))
    right, guess = median(numbers(records[-epochs:], "val_accuracy")), 1 / classes(run)
    reached = (right - guess) / (1 - guess)
    if not side >= ratio * shown or not reached < way:
        return []
    message = (
        f"Images are shown at {shown} px and have {side:.0f} (shorter side, median); most networks need {least} for two places a side. "
        f"The model is right on {right:.1%} of the validation images (guessing: {guess:.1%})."
    )
    evidence = {
        "size": data.size, "eval_size": data.eval_size or data.size, "shown": shown, "side": side, "limit": least,
        "val_accuracy": right, "guess": guess, "way": reached,
    }  # fmt: skip
    return [Finding(rule="size_too_small", severity="warn", message=message, evidence=evidence)]


def _case(size: int, side: int, accuracy: float, *, evaluated: int | None = None) -> dict[str, Any]:
    """Two classes of photographs whose shorter side has so many pixels."""
    signals = [{"meter": "loss", "stage": "all", "train": 0.6, "val": 0.7, "val_accuracy": accuracy}] * 3
    columns = {"target": ["a", "b"] * 10, "width": [side] * 20, "height": [side + 20] * 20}
    return {
        "signals": signals, "catalog": columns, "recipe": {"data.size": size, "data.eval_size": evaluated or size},
    }  # fmt: skip


FIRES = (_case(16, 64, 0.7), _case(32, 200, 0.8, evaluated=48))
SILENT = (
    # It is near to all right.
    _case(16, 64, 0.97),
    # The images have no more pixels.
    _case(32, 32, 0.7),
    _case(64, 256, 0.7),
    # Small in training only has a rule of its own.
    _case(24, 64, 0.7, evaluated=64),
)
