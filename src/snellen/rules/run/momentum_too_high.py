"""What it does
Finds an optimiser whose momentum (or, of Adam and its kin, beta1) is above 0.99 and that does not forget a gradient within a tenth
of the last stage's steps, in a training that has not learned its training images.

Why it matters
Momentum m adds up the gradients of the last 1 / (1 - m) steps: it makes every step that many times as long, and goes on in
directions that were right long ago. A rate that is recommended is so for a momentum of 0.9.

Known problems
Very long trainings with a small rate can use such a momentum; then it is short beside their steps, or they have learned, and nothing is
said. That the momentum is the reason is not shown: the rate may be too high as well. An optimiser inside another is not looked at.

Source
SPEC L2 (0.9). I. Sutskever et al. 2013, On the importance of initialization and momentum in deep learning (up to 0.99 and above
only with schedules of many thousand steps, and lowered to 0.9 at the end); G. Goh 2017, Why momentum really works (Distill).
"""

from __future__ import annotations

import math
from typing import Any

from snellen.rules.curves import among_classes, guessing, last_stage, median, needed, numbers, steps_of_last, told
from snellen.run import Run
from snellen.values import Finding

# What the share of the last gradients is called in our optimisers.
NAMES = ("momentum", "beta1")


def momentum_too_high(
    run: Run, *, limit: float = 0.99, share: float = 0.1, accuracy: float = 0.9, way: float = 0.7
) -> list[Finding]:
    """Find a momentum that remembers too long.

    `limit`: largest momentum in use. `share`: of the last stage's steps that it must reach back. `accuracy` on training images and
    `way` (share of the way from guessing to loss 0) count as learned, together.
    """
    settings = told(run, "optim.settings") or {}
    name = next((key for key in NAMES if float(settings.get(key) or 0.0) > limit), "")
    records = run.signals("loss")
    if not name or not among_classes(run):
        return []
    needed(records, "train")
    value, steps = float(settings[name]), steps_of_last(records)
    memory = 1 / (1 - value) if value < 1 else math.inf
    last = last_stage(records)[-1:]
    train, right = median(numbers(last, "train")), median(numbers(last, "train_accuracy"))
    reached = 1 - train / guessing(run)
    if memory < share * steps or (reached >= way and not right < accuracy):
        return []
    message = (
        f"{name} = {value:g} adds up the gradients of {memory:.0f} steps, and stage {last[0]['stage']!r} has {steps}: training images "
        f"cost {train:.2f} at the end, {reached:.0%} of the way from guessing ({guessing(run):.2f})."
    )
    evidence = {
        "setting": name, "value": value, "memory": memory, "steps": steps, "stage": last[0]["stage"], "limit": limit, "train": train,
        "way": reached, "guessing": guessing(run), "optimizer": told(run, "optim.name"), "lr": told(run, "optim.lr"),
    }  # fmt: skip
    return [Finding(rule="momentum_too_high", severity="warn", message=message, evidence=evidence)]


def _case(
    name: str, settings: dict[str, float], train: list[float], accuracy: float = 0.2, *, each: int = 20
) -> dict[str, Any]:
    """Ten classes (guessing costs 2.30), and so many steps in each epoch."""
    signals = [
        {"meter": "loss", "stage": "all", "step": each * place, "train": x, "val": x, "train_accuracy": accuracy}
        for place, x in enumerate(train, start=1)
    ]
    recipe = {"optim.name": name, "optim.settings": settings}
    return {"signals": signals, "recipe": recipe, "catalog": {"target": [f"c{i}" for i in range(10)] * 3}}


FIRES = (
    _case("sgd", {"momentum": 0.999}, [2.6, 2.9, 3.1]),
    _case("adamw", {"beta1": 0.995}, [2.2, 2.0, 1.9], 0.4),
)
SILENT = (
    _case("sgd", {"momentum": 0.9}, [2.6, 2.9, 3.1]),
    _case("sgd", {"momentum": 0.99}, [2.2, 2.0, 1.9]),
    # Learned all the same.
    _case("sgd", {"momentum": 0.999}, [1.2, 0.5, 0.2], 0.97),
    # A long training, beside which it is short.
    _case("sgd", {"momentum": 0.999}, [2.2, 2.0, 1.9], each=20_000),
    # No momentum at all.
    _case("adagrad", {}, [2.2, 2.0, 1.9]),
)
