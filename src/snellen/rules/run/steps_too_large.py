"""What it does
Finds a section of the trunk whose weights move by more than a tenth of their size in a typical step, in most epochs of a stage
after its first, while the training loss stays above half of guessing.

Why it matters
About a thousandth is usual. Ten such steps replace the weights: what was learned, or pretrained, is gone before it is used.
The rate must come down.

Known problems
A head that begins at zero moves by much of nothing, so heads are not judged. Weights in front of a normalisation can grow until the
ratio is small again, whatever the rate; the loss speaks then, not this rule.

Source
SPEC S4, S5; the ratio of updates to weights: A. Karpathy, CS231n, Neural networks 3; F. Schneider et al., arXiv:2102.06604 (Cockpit).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from snellen.rules.curves import Record, by_stage, median, numbers, optional, told, unlearned
from snellen.run import Run
from snellen.values import Finding


def steps_too_large(run: Run, *, limit: float = 0.1, loss: float = 0.5) -> list[Finding]:
    """Find the first stage with such a section; the section that moves most is named.

    `limit`: norm of a step over norm of the weights. `loss`: share of the loss of guessing above which a model has not
    learned.
    """
    losses = {item["epoch"]: item.get("train") for item in optional(run, "loss")}
    for stage, items in by_stage(run.signals("update")):
        known = [float(value) for item in items if (value := losses.get(item["epoch"])) is not None]
        shares = _typical(items[1:] or items)
        section = max(shares, key=lambda name: shares[name], default="")
        if known and known[-1] > loss * unlearned(run) and section and shares[section] > limit:
            return [_finding(run, stage, section, shares, limit, known[-1])]
    return []


def _typical(items: Sequence[Record]) -> dict[str, float]:
    """Median over the epochs of what each section of the trunk moves by in a step."""
    names = [name for name in items[-1]["groups"] if name != "head"]
    return {name: median(numbers([item["groups"] for item in items], name)) for name in names}


def _finding(run: Run, stage: str, section: str, shares: dict[str, float], limit: float, train: float) -> Finding:
    message = (
        f"A step of stage {stage!r} moves the weights of section {section!r} by {shares[section]:.0%} of their size (limit "
        f"{limit:.0%}; 0.1 % is usual), and the training loss is still {train:.2f}."
    )
    evidence = {
        "section": section, "share": shares[section], "limit": limit, "excess": shares[section] / limit, "shares": shares,
        "stage": stage, "train": train, "lr": told(run, "optim.lr"),
    }  # fmt: skip
    return Finding(rule="steps_too_large", severity="warn", message=message, evidence=evidence)


def _run(shares: list[dict[str, float]], train: list[float]) -> list[dict[str, Any]]:
    updates = [{"meter": "update", "stage": "all", "groups": item, "n": 3} for item in shares]
    return updates + [{"meter": "loss", "stage": "all", "train": x, "val": x} for x in train]


FIRES = (
    {"signals": _run([{"stage1": 0.4, "head": 2.0}] * 3, [0.69, 0.7, 0.69]), "recipe": {"optim.lr": 0.1}},
    {"signals": _run([{"stage1": 0.01, "stage4": 0.2}] * 2, [0.69, 0.6])},
)
SILENT = (
    {"signals": _run([{"stage1": 0.002, "stage4": 0.004, "head": 0.5}] * 3, [0.69, 0.6, 0.5])},
    # The first epoch of a stage without warm-up.
    {"signals": _run([{"stage1": 0.3}, *[{"stage1": 0.02}] * 3], [0.69, 0.6, 0.5, 0.5])},
    # It learns all the same.
    {"signals": _run([{"stage1": 0.15}] * 3, [0.5, 0.3, 0.2])},
)
