"""What it does
Finds a run whose last stage has learned nothing: after half of its epochs, and four at least, the loss on training images has
never been more than 2 % below guessing, and no more of them are right than guessing gets, or a tenth of the way further.

Why it matters
What is left of the epochs, at a falling rate, does not make up for it. With the autopilot training ends here, and the time goes to
a recipe that can learn; other rules say what is wrong.

Known problems
Some networks from noise sit at guessing for many epochs before they begin. So the rule asks for half of the stage, and only
tells where the run has ended.

Source
SPEC S5; guessing among k classes costs log k nats. Stopping what cannot win: Prechelt 1998, Early stopping, but when?
"""

from __future__ import annotations

from typing import Any

from snellen.catalog import MissingSignal
from snellen.rules.curves import among_classes, classes, guessing, in_nats, last_stage, needed, numbers
from snellen.run import Run
from snellen.values import Finding

# The autopilot ends the training.
ACTS = "stop"


def hopeless(
    run: Run, *, below: float = 0.02, accuracy: float = 0.1, share: float = 0.5, least: int = 4
) -> list[Finding]:
    """Find a last stage that stands at guessing.

    `below`: share of the loss of guessing that counts as learned. `accuracy`: share of the way from guessing to all right that
    counts as learned. `share`: of the stage's epochs that must have passed, `least` how many at least.
    """
    if not run.knows("stages"):
        raise MissingSignal("the stages of the training")
    in_nats(run)
    records, stage = run.signals("loss"), run.recipe.stages[-1]
    needed(records, "train")
    items = last_stage(records)
    if not among_classes(run) or items[0]["stage"] != stage.name or len(items) < max(least, share * stage.epochs):
        return []
    base, chance = guessing(run), 1 / classes(run)
    train, right = numbers(items, "train"), numbers(items, "train_accuracy")
    limit = chance + accuracy * (1 - chance)
    if not all(value > base * (1 - below) for value in train) or not all(value < limit for value in right):
        return []
    # An epoch that was gone over again is counted twice.
    of = max(stage.epochs, len(items))
    message = (
        f"After {len(items)} of {of} epochs of stage {stage.name!r} the training loss has not come below {min(train):.2f}; "
        f"guessing costs {base:.2f}."
    )
    evidence: dict[str, Any] = {
        "stage": stage.name, "epochs": len(items), "of": of, "train": min(train), "guessing": base,
        "train_accuracy": max(right, default=None), "limit": limit,
    }  # fmt: skip
    return [Finding(rule="hopeless", severity="info", message=message, evidence=evidence)]


def _run(train: list[float], right: list[float], stage: str = "all") -> list[dict[str, Any]]:
    return [
        {"meter": "loss", "stage": stage, "train": t, "val": t, "train_accuracy": a}
        for t, a in zip(train, right, strict=True)
    ]


_TEN = {"target": [f"c{i}" for i in range(10)] * 3}
_EIGHT = {"stages": [{"name": "all", "unfreeze": "all", "epochs": 8}]}
FIRES = (
    {"signals": _run([2.31, 2.30, 2.31, 2.30], [0.1, 0.12, 0.09, 0.1]), "catalog": _TEN, "recipe": _EIGHT},
    # Above guessing all the way.
    {"signals": _run([9.0, 4.0, 3.1, 3.0, 2.9], [0.1] * 5), "catalog": _TEN, "recipe": _EIGHT},
)
SILENT = (
    # It has not had half of its epochs.
    {"signals": _run([2.31, 2.30, 2.30], [0.1] * 3), "catalog": _TEN, "recipe": _EIGHT},
    # Slow, and moving.
    {"signals": _run([2.30, 2.28, 2.25, 2.2], [0.1, 0.12, 0.14, 0.15]), "catalog": _TEN, "recipe": _EIGHT},
    # A loss that says little of a model that is right: strong smoothing.
    {"signals": _run([2.31, 2.30, 2.29, 2.29], [0.2, 0.4, 0.6, 0.7]), "catalog": _TEN, "recipe": _EIGHT},
    # Only the head, on features of noise, has learned nothing.
    {"signals": _run([2.31, 2.30, 2.31, 2.30], [0.1] * 4, "head"), "catalog": _TEN, "recipe": _EIGHT},
)
