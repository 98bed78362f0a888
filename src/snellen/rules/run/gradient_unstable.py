"""What it does
Looks at the norm of the gradient over all weights: violent oscillation within epochs (standard deviation above 2
means), jumps of the typical norm by more than 5 times from epoch to epoch, and sudden drops that no fall of the loss
explains.

Why it matters
A norm that leaps says that the learning rate is too high for these weights, or that the statistics of batch
normalisation are broken by small batches. A lower rate, clipping or frozen normalisation calms it.

Known problems
Near the end of memorising, most batches have almost no gradient and a few a large one; such epochs (running loss below
a tenth of guessing) are not judged. The first epoch of a stage is not compared with the stage before.

Source
SPEC S4. A healthy fine-tuning shows 0.3 to 0.8 means of deviation within an epoch, one that memorises up to 1.3, and
slow changes between epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from snellen.rules.curves import Record, by_stage, median, numbers, optional, told, unlearned
from snellen.rules.run.gradient_exploding import typical
from snellen.run import Run
from snellen.values import Finding


def gradient_unstable(
    run: Run, *, oscillation: float = 2.0, jump: float = 5.0, share: float = 0.5, memorised: float = 0.1
) -> list[Finding]:
    """Find the first stage with unstable gradients.

    `oscillation`: standard deviation over mean within an epoch, in at least `share` of a stage's epochs. `jump`: ratio
    of the typical norms of consecutive epochs. `memorised`: running loss, in units of guessing, below which none is
    judged.
    """
    records = run.signals("gradient")
    losses = {
        item["epoch"]: float(item["running"]) for item in optional(run, "loss") if item.get("running") is not None
    }
    low = memorised * unlearned(run)
    for stage, items in by_stage(records):
        judged = [item for item in items if losses.get(item["epoch"], math.inf) >= low]
        if not judged:
            continue
        signs = [*_oscillates(judged, oscillation, share), *_jumps(judged, losses, jump)]
        if signs:
            return [_finding(run, stage, items, signs)]
    return []


def _spread(record: Record) -> float:
    """Standard deviation of the norms within the epoch, in means."""
    mean = float(record["total"]["mean"])
    return math.sqrt(max(0.0, float(record["total"]["variance"]))) / mean if mean > 0 else 0.0


def _oscillates(items: Sequence[Record], limit: float, share: float) -> list[dict[str, Any]]:
    wild = [_spread(item) for item in items if _spread(item) > limit]
    # A single wild epoch can be one odd batch.
    if len(wild) < max(share * len(items), min(2, len(items))):
        return []
    return [{"sign": "oscillation", "value": median(wild), "limit": limit, "epochs": len(wild), "of": len(items)}]


def _jumps(items: Sequence[Record], losses: Mapping[int, float], limit: float) -> list[dict[str, Any]]:
    for before, after in pairwise(items):
        if after["epoch"] != before["epoch"] + 1 or not (typical(before) > 0 and typical(after) >= 0):
            continue
        ratio = typical(after) / typical(before)
        if ratio > limit:
            return [{"sign": "jump", "value": ratio, "limit": limit, "epoch": after["epoch"]}]
        if ratio < 1 / limit and not _learned(losses, before["epoch"], after["epoch"]):
            return [{"sign": "drop", "value": ratio, "limit": 1 / limit, "epoch": after["epoch"]}]
    return []


def _learned(losses: Mapping[int, float], before: int, after: int) -> bool:
    """Whether the running loss fell by a quarter: then a smaller gradient is what learning looks like."""
    return losses.get(after, math.inf) < 0.75 * losses.get(before, 0.0)


def _finding(run: Run, stage: str, items: Sequence[Record], signs: list[dict[str, Any]]) -> Finding:
    first = signs[0]
    clipped = max(numbers(items, "clipped"), default=None)
    said = {
        "oscillation": "swings by {value:.1f} times its mean (limit {limit:g}) within {epochs} of {of} epochs",
        "jump": "rose {value:.1f}-fold from one epoch to the next (limit {limit:g}), in epoch {epoch}",
        "drop": "fell to {value:.1%} within one epoch (limit {limit:.0%}), in epoch {epoch}, without learning",
    }[first["sign"]].format(**first)
    cut = "" if clipped is None else f"; {clipped:.0%} of the steps were clipped at most"
    message = f"The gradient norm of stage {stage!r} {said}{cut}."
    evidence = {
        **first,
        "stage": stage,
        "clipped": clipped,
        "clip": told(run, "optim.clip"),
        "batch": told(run, "train.batch"),
        "lr": told(run, "optim.lr"),
        "signs": signs,
    }
    return Finding(rule="gradient_unstable", severity="warn", message=message, evidence=evidence)


def _run(
    means: list[float], spread: float, running: list[float] | None = None, stage: str = "all"
) -> list[dict[str, Any]]:
    """Epochs of one stage: mean norms, one relative spread, running losses."""
    gradient = [
        {"meter": "gradient", "stage": stage, "total": {"mean": m, "variance": (spread * m) ** 2}, "clipped": 0.1}
        for m in means
    ]
    return gradient + [{"meter": "loss", "stage": stage, "train": x, "val": x, "running": x} for x in running or []]


FIRES = (
    {"signals": _run([2.0, 2.1, 1.9, 2.2], 2.6, [0.9, 0.8, 0.8, 0.75])},
    {"signals": _run([1.0, 1.2, 9.0, 3.0], 0.5, [0.9, 0.8, 2.1, 1.9])},
    # The gradient dies while nothing was learned.
    {"signals": _run([3.0, 2.5, 0.05, 0.04], 0.4, [0.7, 0.69, 0.69, 0.69])},
    # The head was calm; the last stage is not. No loss was recorded.
    {
        "signals": _run([1.0, 0.9], 0.5, None, "head") + _run([1.0, 7.0, 40.0], 0.6, None, "all"),
        "recipe": {"train.batch": 8},
    },
)
SILENT = (
    {"signals": _run([2.0, 1.6, 1.4, 1.3, 1.2], 0.8, [0.9, 0.6, 0.5, 0.4, 0.35])},
    # Two epochs, learning fast: the norm falls with the loss.
    {"signals": _run([4.0, 0.7], 0.6, [0.6, 0.3])},
    # Memorised: heavy tails of tiny norms.
    {"signals": _run([0.5, 0.02, 0.001], 3.0, [0.06, 0.01, 0.001])},
    # One odd batch in one epoch of four.
    {"signals": _run([1.0, 1.1], 0.5) + _run([1.2], 2.8) + _run([1.1], 0.5)},
    # Stages differ in scale.
    {
        "signals": _run([0.2, 0.2], 0.4, None, "head")
        + _run([6.0, 5.0], 0.7, None, "last")
        + _run([30.0, 25.0], 0.7, None, "all")
    },
)
