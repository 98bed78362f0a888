"""What it does
Finds a run that ended too early or moved too slowly: the training loss was still falling by more than 15 % over the
last third of the last stage (over the last epoch by more than 5 %, in a stage of fewer than three) while training accuracy was below 90 %; or the whole run got no further than a fifth of the
way from guessing. In both, validation is no worse than training.

Why it matters
The model has not yet learned what the data offers. More epochs or a higher rate are the cheapest points there are.

Known problems
A schedule that ends at rate zero flattens the curve whatever is left to learn, so that a run cut short by its schedule
can pass unseen. Very noisy labels also keep training accuracy low; then the loss does not fall.

Source
SPEC S5; guessing among k classes costs log k nats.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from snellen.rules.curves import among_classes, classes, guessing, in_nats, last_stage, median, needed, numbers, told
from snellen.run import Run
from snellen.values import Finding


def underfitting(
    run: Run, *, fall: float = 0.15, accuracy: float = 0.9, little: float = 0.2, gap: float = 0.3
) -> list[Finding]:
    """Find `few_epochs` or `low_rate` (evidence `kind`).

    `fall`: relative fall of the training loss over the last third of the last stage; a third of it where that is one epoch after
    another. `accuracy`: training accuracy that
    counts as learned. `little`: share of the way from guessing to loss 0. `gap`: a wider gap is over-fitting.
    """
    in_nats(run)
    records = run.signals("loss")
    needed(records, "train", "val")
    train, val = numbers(records, "train"), numbers(records, "val")
    reached = median(numbers(records[-1:], "train_accuracy"))
    if not train or not val or reached >= accuracy or not val[-1] - train[-1] <= gap:
        return []
    way = 1 - train[-1] / guessing(run)
    stage = numbers(last_stage(records), "train")
    falling = _falling(stage, train)
    # A third of a stage holds several epochs; of one epoch less is to be expected.
    limit = fall / 3 if len(stage) < 3 else fall
    # Above guessing the rate is too high, not too low; and what is measured against another method may end near it and be good.
    if -0.1 <= way < little and among_classes(run) and _never_worse(train):
        return [_finding(run, "low_rate", train[-1], reached, falling, way)]
    if way >= little and falling > limit:
        return [_finding(run, "few_epochs", train[-1], reached, falling, way)]
    return []


def _falling(stage: list[float], whole: list[float]) -> float:
    """Relative fall over the last third of the stage; of the run where the stage has fewer than two records."""
    curve = stage if len(stage) > 1 else whole
    if len(curve) < 2:
        return 0.0
    before = curve[-1 - max(1, len(curve) // 3)]
    return 1 - curve[-1] / before if before > 0 else 0.0


def _never_worse(train: list[float]) -> bool:
    # A curve that leaps is not slow.
    return all(after < before * 1.1 + 0.05 for before, after in pairwise(train))


def _finding(run: Run, kind: str, train: float, accuracy: float, falling: float, way: float) -> Finding:
    lr = told(run, "optim.lr")
    if kind == "low_rate":
        said = (
            f"The training loss ended at {train:.2f}, {way:.0%} of the way from guessing ({guessing(run):.2f}): "
            f"the learning rate{'' if lr is None else f' of {lr:.2g}'} is too low or the epochs are too few."
        )
    else:
        said = f"The training loss was still falling at the end, by {falling:.0%}, and ended at {train:.2f}."
    message = said if math.isnan(accuracy) else f"{said} Training accuracy is {accuracy:.1%}."
    evidence = {
        "kind": kind,
        "train": train,
        "train_accuracy": accuracy,
        "fall": falling,
        "way": way,
        "guessing": guessing(run),
        "classes": classes(run),
        "lr": lr,
        "epochs": sum(stage.epochs for stage in run.recipe.stages) if run.knows("stages") else None,
    }
    return Finding(rule="underfitting", severity="warn", message=message, evidence=evidence)


def _run(train: list[float], accuracy: list[float], stage: str = "all", gap: float = 0.05) -> list[dict[str, Any]]:
    return [
        {"meter": "loss", "stage": stage, "train": t, "val": t + gap, "train_accuracy": a, "val_accuracy": a - 0.01}
        for t, a in zip(train, accuracy, strict=True)
    ]


_TEN = {"target": [f"c{i}" for i in range(10)] * 3}
FIRES = (
    # One epoch, a tiny rate.
    {"signals": _run([2.28], [0.14]), "catalog": _TEN, "recipe": {"optim.lr": 1e-6}},
    {"signals": _run([2.30, 2.28, 2.26, 2.25], [0.1, 0.12, 0.14, 0.15]), "catalog": _TEN},
    # One epoch of each stage.
    {"signals": _run([1.7], [0.5], "head") + _run([1.5], [0.55], "last"), "catalog": _TEN},
    # Still falling steeply.
    {"signals": _run([2.0, 1.5, 1.1, 0.8], [0.4, 0.55, 0.65, 0.75]), "catalog": _TEN},
    {
        "signals": _run([2.1, 1.9], [0.3, 0.38], "head") + _run([1.6, 1.25, 0.95], [0.5, 0.6, 0.7], "all"),
        "catalog": _TEN,
    },
)
SILENT = (
    # Two quick epochs that have learned enough.
    {"signals": _run([0.5, 0.3], [0.88, 0.93]), "catalog": _TEN},
    # Two epochs, of which the second brought next to nothing.
    {"signals": _run([1.02, 1.0], [0.62, 0.63]), "catalog": _TEN},
    # Hard data: it has stopped falling.
    {"signals": _run([1.4, 1.1, 1.02, 1.0, 0.99, 0.98], [0.5, 0.6, 0.62, 0.63, 0.63, 0.64]), "catalog": _TEN},
    # Still falling, and over-fitting already.
    {"signals": _run([1.2, 0.8, 0.5], [0.6, 0.75, 0.85], gap=0.5), "catalog": _TEN},
    # The rate was too high.
    {"signals": _run([9.0, 4.0, 3.0], [0.1, 0.1, 0.1]), "catalog": _TEN},
    {"signals": _run([2.0, 3.5, 2.2], [0.2, 0.1, 0.15]), "catalog": _TEN},
    # A short head stage, then a last stage that finishes.
    {
        "signals": _run([1.5, 1.0], [0.6, 0.75], "head") + _run([0.6, 0.4, 0.35], [0.86, 0.92, 0.94], "all"),
        "catalog": _TEN,
    },
)
