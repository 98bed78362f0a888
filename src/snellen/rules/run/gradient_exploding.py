"""What it does
Finds a stage in which the typical norm of the gradient grew by more than ten times from its first epoch to its last, or
passed a thousand, while the training loss did not fall; names the section of the network in which it is largest.

Why it matters
The gradient grows where the weights do. The steps grow with it, until a number is no longer finite or the loss is
destroyed. Clipping bounds the step, a lower rate or a warm-up keeps the weights small.

Known problems
The scale of a norm depends on model and loss: only growth, and what is far beyond any usual scale, is judged. A loss that
falls clears the stage. Optimisers that divide by the norm (AdamW) hide part of the harm.

Source
SPEC S4, S5; R. Pascanu, T. Mikolov, Y. Bengio, arXiv:1211.5063.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from snellen.rules.curves import Record, by_stage, median, optional, told
from snellen.run import Run
from snellen.values import Finding


def gradient_exploding(run: Run, *, growth: float = 10.0, huge: float = 1e3, fall: float = 0.1) -> list[Finding]:
    """Find the first stage whose gradient exploded.

    `growth`: last typical norm over the first; `huge`: norm that is too large whatever came before; `fall`: relative
    fall of the training loss over the stage that speaks against it.
    """
    losses = {item["epoch"]: item.get("running", item.get("train")) for item in optional(run, "loss")}
    for stage, items in by_stage(run.signals("gradient")):
        first, last = typical(items[0]), typical(items[-1])
        grown = last / first if first > 0 else math.inf
        exploded = (len(items) > 1 and grown > growth) or last > huge
        if exploded and not _fell(losses.get(items[0]["epoch"]), losses.get(items[-1]["epoch"]), fall):
            return [_finding(run, stage, items, first, last, growth, huge)]
    return []


def typical(record: Record) -> float:
    """The median norm of an epoch's steps; its mean where the steps are not stored."""
    return median(record["norms"]) if record.get("norms") else float(record["total"]["mean"])


def _fell(before: Any, after: Any, share: float) -> bool:
    return before is not None and after is not None and after < before * (1 - share)


def _finding(
    run: Run, stage: str, items: Sequence[Record], first: float, last: float, growth: float, huge: float
) -> Finding:
    groups = {name: float(spread["mean"]) for name, spread in items[-1].get("groups", {}).items()}
    section = max(groups, key=lambda name: groups[name], default="")
    where = f", most of it in {section!r} ({groups[section]:.3g})" if section else ""
    message = (
        f"The typical gradient norm of stage {stage!r} went from {first:.3g} to {last:.3g} over {len(items)} epochs{where}, and the "
        f"training loss did not fall (limits: {growth:g} times, or {huge:g})."
    )
    evidence = {
        "stage": stage,
        "first": first,
        "last": last,
        "epochs": len(items),
        "section": section,
        "sections": groups,
        "limit": growth,
        "huge": huge,
        "lr": told(run, "optim.lr"),
        "clip": told(run, "optim.clip"),
    }
    return Finding(rule="gradient_exploding", severity="warn", message=message, evidence=evidence)


def _run(norms: list[float], running: list[float] | None = None, stage: str = "all") -> list[dict[str, Any]]:
    gradient = [
        {"meter": "gradient", "stage": stage, "total": {"mean": n, "variance": n}, "clipped": 1.0}
        | {"groups": {"stage1": {"mean": n * 0.9, "variance": n}, "head": {"mean": n * 0.1, "variance": n}}}
        for n in norms
    ]
    return gradient + [{"meter": "loss", "stage": stage, "train": x, "val": x, "running": x} for x in running or []]


FIRES = (
    {"signals": _run([2.0, 6.0, 15.0, 44.0], [0.9, 1.2, 1.9, 2.6]), "recipe": {"optim.clip": None}},
    {"signals": _run([3e4], [5.0]), "recipe": {"optim.lr": 0.1}},
    {"signals": _run([0.5, 0.4], [0.8, 0.6], "head") + _run([1.0, 30.0], [0.9, 1.4], "all")},
)
SILENT = (
    {"signals": _run([3.0, 2.5, 2.0, 1.8], [0.9, 0.7, 0.5, 0.45])},
    # A cold head: the trunk's gradient grows as the head begins to use it, and the loss falls.
    {"signals": _run([0.05, 0.4, 1.2, 1.1], [2.3, 1.6, 0.9, 0.6])},
    # Stages differ in scale; within each it is calm.
    {"signals": _run([0.2, 0.2], [0.8, 0.7], "head") + _run([30.0, 25.0], [0.7, 0.6], "all")},
    {"signals": _run([2.0, 9.0, 12.0], [1.0, 1.0, 1.1])},
)
