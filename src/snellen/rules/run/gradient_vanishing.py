"""What it does
Finds a section of the network that is trained and hardly gets a gradient: less than a thousandth of that of the section
with the most, in most epochs of a stage, while the training loss stays above half of guessing. Also a whole gradient that
has all but gone (below 1e-5) at such a loss.

Why it matters
That section does not learn. Units that are dead (a ReLU that is never positive), saturated outputs, a missing
normalisation or a rate that destroyed the weights are the usual causes.

Known problems
A low loss means a small gradient, which is why only runs that have not learned are judged. Sections of very different
size differ in norm; a factor of a thousand is beyond that. Sections of the trunk are compared with each other, not with the head:
under a head that begins at zero all of them get little until it has learned.

Source
SPEC S5; X. Glorot, Y. Bengio 2010 (AISTATS); K. He et al., arXiv:1502.01852.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from snellen.rules.curves import Record, by_stage, numbers, optional, told, unlearned
from snellen.run import Run
from snellen.values import Finding

# Less than this of what the head gets, in every section, is a trunk that is cut off.
CUT = 1e-6


def gradient_vanishing(
    run: Run, *, share: float = 1e-3, gone: float = 1e-5, epochs: float = 0.6, loss: float = 0.5
) -> list[Finding]:
    """Find the first stage with such a section.

    `share`: of the largest mean norm of a section of the trunk. `gone`: norm of the whole gradient. `epochs`: share of the stage's
    epochs. `loss`: share of the loss of guessing above which a model has not learned.
    """
    losses = {item["epoch"]: item.get("train") for item in optional(run, "loss")}
    for stage, items in by_stage(run.signals("gradient")):
        known = [float(value) for item in items if (value := losses.get(item["epoch"])) is not None]
        if not known or not known[-1] > loss * unlearned(run):
            continue
        for section, low in _weak(items, share, gone).items():
            if len(low) >= epochs * len(items):
                return [_finding(run, stage, section, low[-1], len(low), len(items), share, gone)]
    return []


def _weak(items: Sequence[Record], share: float, gone: float) -> dict[str, list[float]]:
    """Section → what it got in the epochs in which that was too little: of the largest section, or ("") of anything."""
    found: dict[str, list[float]] = {}
    for item in items:
        whole = float(item["total"]["mean"])
        if whole < gone:
            found.setdefault("", []).append(whole)
            continue
        means = {name: float(spread["mean"]) for name, spread in item.get("groups", {}).items()}
        # Sections of the trunk by each other: under a head that began at zero, all of them have little until it has learned.
        trunk = {name: mean for name, mean in means.items() if name != "head"}
        most = max(trunk.values(), default=0.0)
        head = means.get("head", 0.0)
        if most < CUT * head:
            most = head
        for name, mean in trunk.items():
            if mean < share * most:
                found.setdefault(name, []).append(mean / most)
    return found


def _finding(
    run: Run, stage: str, section: str, value: float, epochs: int, of: int, share: float, gone: float
) -> Finding:
    kind = "section" if section else "whole"
    train = numbers(optional(run, "loss"), "train")[-1]
    said = {
        "section": f"Section {section!r} got {value:.2g} of the gradient of the section with the most (limit {share:g})",
        "whole": f"The gradient has all but gone: its norm is {value:.2g} (limit {gone:g})",
    }[kind]
    message = f"{said} in {epochs} of {of} epochs of stage {stage!r}, and the training loss is still {train:.2f}."
    evidence = {
        "kind": kind,
        "section": section,
        "value": value,
        "limit": share if section else gone,
        "epochs": epochs,
        "of": of,
        "stage": stage,
        "train": train,
        "lr": told(run, "optim.lr"),
    }
    return Finding(rule="gradient_vanishing", severity="warn", message=message, evidence=evidence)


def _run(norms: list[dict[str, float]], train: list[float], stage: str = "all") -> list[dict[str, Any]]:
    gradient = [
        {"meter": "gradient", "stage": stage, "total": {"mean": sum(n.values()), "variance": 0.0}, "clipped": 0.0}
        | {"groups": {name: {"mean": value, "variance": 0.0} for name, value in n.items()}}
        for n in norms
    ]
    return gradient + [{"meter": "loss", "stage": stage, "train": x, "val": x} for x in train]


FIRES = (
    {"signals": _run([{"stage1": 1e-4, "stage2": 0.4, "head": 1.5}] * 3, [0.69, 0.68, 0.66])},
    {"signals": _run([{"stage1": 1e-7, "head": 2e-7}] * 4, [0.69] * 4), "recipe": {"optim.lr": 0.5}},
    {"signals": _run([{"stage1": 0.0, "head": 1.2}] * 2, [0.9, 0.8])},
)
SILENT = (
    {"signals": _run([{"stage1": 0.4, "stage2": 0.9, "head": 1.5}] * 3, [0.69, 0.5, 0.4])},
    # It has learned: there is nothing left to push.
    {"signals": _run([{"stage1": 1e-7, "head": 2e-6}] * 4, [0.1, 0.02, 0.01, 0.005])},
    # A head that began at zero and hardly moves: the whole trunk gets little, and no section of it less than the others.
    {"signals": _run([{"stage3": 2e-4, "stage4": 3e-4, "head": 1.5}] * 3, [0.69, 0.68, 0.67])},
    # Small, not vanishing.
    {"signals": _run([{"stage1": 0.03, "head": 1.5}] * 3, [0.69, 0.6, 0.5])},
    # One odd epoch.
    {"signals": _run([{"stage1": 1e-5, "head": 1.5}, *[{"stage1": 0.4, "head": 1.5}] * 3], [0.69, 0.6, 0.5, 0.45])},
)
