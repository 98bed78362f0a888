"""What it does
Looks for what only a learning rate that is too high does: the training loss at the end of a stage above that of
guessing; a training-mode loss above guessing, rising within a stage or leaping between epochs; a stage that left the
model worse than it found it, on training and on validation images; or accuracy (of masks: mean IoU) at the level of
guessing with an unusually high rate.

Why it matters
Such a run does not learn, and may have destroyed pretrained weights. Nothing else is worth judging before it is mended.

Known problems
Wrong normalisation or shuffled labels can keep the loss at guessing too, but do not lift it above. Where best weights
were kept from an earlier stage, the run's score can look fair although its last stages did harm.

Source
SPEC S4, S5, L4; guessing among k classes costs log k nats. L. N. Smith, arXiv:1506.01186 (range test: too high a rate
makes the loss rise).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from snellen.rules.curves import (
    Record,
    among_classes,
    by_stage,
    classes,
    guessing,
    in_nats,
    median,
    numbers,
    optional,
    told,
)
from snellen.run import Run
from snellen.values import Finding

# Losses whose training-mode value, mixes and smoothing included, stays at or below log k while a model learns.
CROSS_ENTROPIES = ("cross_entropy", "focal")
SAID = {
    "above_guessing": "ended at a training loss of {value:.2f}, above {limit:.2f} (guessing costs {guessing:.2f})",
    "running_above_guessing": "trained at a loss of {value:.2f}, above {limit:.2f} (guessing costs {guessing:.2f})",
    "rising": "raised its training-mode loss from {before:.2f} to {value:.2f}",
    "leap": "let its training-mode loss leap from {before:.2f} to {value:.2f} between two epochs",
    "harm": "left the training loss at {value:.2f} where it found {before:.2f}, and training accuracy at "
    "{accuracy:.1%} where it found {accuracy_before:.1%}",
    "at_guessing": "ended at a training accuracy of {value:.1%}, where guessing has {limit:.1%}",
    "overlap_at_guessing": "ended at a mean IoU of {value:.1%} in training, where the most frequent class everywhere has {limit:.1%}",
}
SEVERE = ("above_guessing", "running_above_guessing", "at_guessing", "overlap_at_guessing")


def rate_too_high(
    run: Run,
    *,
    above: float = 0.1,
    rise: float = 0.1,
    leap: float = 0.5,
    harm: float = 0.25,
    adaptive: float = 5e-3,
    plain: float = 0.1,
) -> list[Finding]:
    """Find the first stage with such a sign; the finding carries every sign of that stage.

    `above`: relative distance to log k. `rise`, `leap`: relative growth of the training-mode loss within a stage and
    between epochs. `harm`: relative growth of the training loss over a stage. `adaptive`, `plain`: rates (AdamW and its
    kin; SGD) above which accuracy at guessing is put down to the rate.
    """
    in_nats(run)
    stages = by_stage(run.signals("loss"))
    name = run.recipe.loss.name
    base = guessing(run)
    limit = base + max(above * base, 0.2)
    for place, (stage, items) in enumerate(stages):
        signs = [
            *(_above(items, limit, base, with_running=name in CROSS_ENTROPIES) if among_classes(run) else []),
            *_rises(items, rise, leap),
            *(_harm(stages[place - 1][1][-1], items[-1], harm) if place else []),
            *_at_guessing(run, stage, items[-1], adaptive, plain),
        ]
        if signs:
            return [_finding(run, stage, signs, base)]
    return []


def _above(items: Sequence[Record], limit: float, base: float, *, with_running: bool) -> list[dict[str, Any]]:
    found = []
    late = items[len(items) // 2 :]
    # One epoch above guessing can be a cold start; the end of the stage, or most of its second half, cannot.
    train = max([*numbers(items[-1:], "train"), median(numbers(late, "train"))])
    if train > limit:
        found.append({"sign": "above_guessing", "value": train, "limit": limit, "guessing": base})
    # The first epoch of a new head starts above guessing in training mode, in a healthy run too.
    running = median(numbers(late[1:] if len(late) == len(items) else late, "running"))
    if with_running and running > limit:
        found.append({"sign": "running_above_guessing", "value": running, "limit": limit, "guessing": base})
    return found


def _rises(items: Sequence[Record], rise: float, leap: float) -> list[dict[str, Any]]:
    running = numbers(items, "running")
    for before, after in pairwise(running):
        if after > before * (1 + leap) and after > before + 0.3:
            return [{"sign": "leap", "before": before, "value": after}]
    if len(running) > 1 and running[-1] > running[0] * (1 + rise) and running[-1] > running[0] + 0.1:
        return [{"sign": "rising", "before": running[0], "value": running[-1]}]
    return []


def _harm(before: Record, after: Record, harm: float) -> list[dict[str, Any]]:
    # A stage that generalises better may fit its training images less well: both sides must be worse.
    for side in ("train", "val"):
        accuracy, was = after.get(f"{side}_accuracy"), before.get(f"{side}_accuracy")
        # Smoothing and mixes can raise the loss of a model that improves; they do not lower its accuracy.
        if accuracy is None or was is None or not accuracy < was - 0.03:
            return []
        if not (after[side] > before[side] * (1 + harm) and after[side] > before[side] + 0.1):
            return []
    values = {"accuracy": after["train_accuracy"], "accuracy_before": before["train_accuracy"]}
    return [{"sign": "harm", "before": before["train"], "value": after["train"], **values}]


def _at_guessing(run: Run, stage: str, last: Record, adaptive: float, plain: float) -> list[dict[str, Any]]:
    peak = _peak(run, stage)
    if peak is None or peak <= (plain if _plain(run) else adaptive):
        return []
    sign, value, guess = _masks(run, stage) or _labels(run, last)
    if value is None or value > guess + 0.1 * (1 - guess):
        return []
    return [{"sign": sign, "value": value, "limit": guess}]


def _plain(run: Run) -> bool:
    """Whether the rate is one of momentum alone, which is tens of times that of an adaptive optimiser."""
    name, settings = told(run, "optim.name"), told(run, "optim.settings") or {}
    return name in ("sgd", "lars", None) or (name == "lookahead" and settings.get("base") == "sgd")


def _labels(run: Run, last: Record) -> tuple[str, float | None, float]:
    """The sign, the training accuracy at the end of a stage, and what the most frequent class has."""
    return "at_guessing", last.get("train_accuracy"), max(1 / classes(run), _largest(run))


def _masks(run: Run, stage: str) -> tuple[str, float, float] | None:
    """The same of the mean overlap, where that is measured: the most frequent class everywhere has its share, the others nothing."""
    items = [item for item in optional(run, "overlap") if item["stage"] == stage and item.get("train") is not None]
    if not items:
        return None
    wanted = items[-1]["wanted"].values()
    return "overlap_at_guessing", float(items[-1]["train"]), max(wanted) / max(1, len(wanted))


def _largest(run: Run) -> float:
    """Share of the largest class in training; 0 where another tool's log does not tell."""
    if not run.knows("catalog"):
        return 0.0
    train = run.catalog.usable().of("train")
    # A sample without a label is of no class.
    return max((count for name, count in train.counts().items() if name), default=0) / max(1, len(train))


def _peak(run: Run, stage: str) -> float | None:
    """Peak rate of a stage: as measured, else as the recipe says; None where neither tells."""
    measured = [float(item["peak"]) for item in optional(run, "rate") if item["stage"] == stage and "peak" in item]
    if not measured and not run.knows("optim.lr"):
        return None
    scales = [item.lr_scale for item in run.recipe.stages if item.name == stage]
    return max(measured) if measured else run.recipe.optim.lr * (scales[0] if scales else 1.0)


def _finding(run: Run, stage: str, signs: list[dict[str, Any]], base: float) -> Finding:
    first = signs[0]
    severe = any(sign["sign"] in SEVERE for sign in signs)
    norms = [float(item["total"]["max"]) for item in optional(run, "gradient") if "max" in item["total"]]
    said, peak = SAID[first["sign"]].format(**first), _peak(run, stage)
    message = f"Stage {stage!r} {said}: its peak learning rate{'' if peak is None else f' of {peak:.2g}'} is too high."
    evidence = {
        **first,
        "stage": stage,
        "peak": peak,
        "lr": told(run, "optim.lr"),
        "optimizer": told(run, "optim.name"),
        "guessing": base,
        "classes": classes(run),
        "severe": severe,
        "largest_gradient": max(norms, default=None),
        "signs": signs,
    }
    return Finding(rule="rate_too_high", severity="warn", message=message, evidence=evidence)


def _run(
    train: list[float], running: list[float], accuracy: list[float] | None = None, stage: str = "all"
) -> list[dict[str, Any]]:
    known = accuracy or [max(0.5, 1 - 0.3 * t) for t in train]
    return [
        {
            "meter": "loss",
            "stage": stage,
            "train": t,
            "val": t + 0.1,
            "running": r,
            "train_accuracy": a,
            "val_accuracy": a,
        }
        for t, r, a in zip(train, running, known, strict=True)
    ]


_TEN = {"target": [f"c{i}" for i in range(10)] * 3}
_MASKS = {"meter": "overlap", "stage": "all", "wanted": {"ground": 0.8, "cup": 0.1, "plate": 0.1}}
FIRES = (
    # Ground everywhere, at a rate nobody recommends, though its loss is far below guessing.
    {
        "signals": [*_run([0.8, 0.7], [0.9, 0.8], [0.3, 0.3]), {**_MASKS, "train": 0.28, "val": 0.27}],
        "recipe": {"optim.lr": 5e-2},
    },
    # Never below guessing (log 10 = 2.30).
    {
        "signals": _run([9.0, 4.0, 3.1], [12.0, 5.0, 3.4], [0.1, 0.12, 0.1]),
        "catalog": _TEN,
        "recipe": {"optim.lr": 2e-2},
    },
    # It blew up in the second epoch and came part of the way back.
    {"signals": _run([0.8, 2.6, 1.4], [0.9, 2.9, 1.6], [0.8, 0.3, 0.6]), "catalog": _TEN},
    # The head learned; the last stage undid it.
    {
        "signals": _run([0.6, 0.4], [0.9, 0.7], [0.85, 0.9], "head") + _run([1.5, 0.9], [1.8, 1.2], [0.5, 0.7], "all"),
        "catalog": _TEN,
        "recipe": {"optim.lr": 2e-2},
    },
    # Dead: exactly at guessing, at a rate nobody recommends.
    {"signals": _run([2.31, 2.30], [2.4, 2.31], [0.1, 0.1]), "catalog": _TEN, "recipe": {"optim.lr": 5e-2}},
    {
        "signals": _run([0.9, 0.8], [0.7, 0.95], [0.5, 0.5]),
        "recipe": {"optim.name": "sgd", "optim.lr": 3.0},
    },
)
SILENT = (
    {"signals": _run([0.9, 0.5, 0.3], [1.1, 0.7, 0.5]), "catalog": _TEN},
    # The rate is too low, not too high: close to guessing, slowly falling.
    {
        "signals": _run([2.28, 2.25, 2.22], [2.32, 2.29, 2.26], [0.12, 0.15, 0.18]),
        "catalog": _TEN,
        "recipe": {"optim.lr": 1e-6},
    },
    # Masks that are learnt at such a rate, and masks that are not at a usual one.
    {"signals": [*_run([0.5], [0.6], [0.3]), {**_MASKS, "train": 0.6, "val": 0.5}], "recipe": {"optim.lr": 5e-2}},
    {"signals": [*_run([0.8], [0.9], [0.3]), {**_MASKS, "train": 0.27, "val": 0.27}], "recipe": {"optim.lr": 1e-3}},
    # Over-fitting: validation loss far above guessing, training fine.
    {"signals": [{"meter": "loss", "stage": "all", "train": 0.1, "val": 3.5, "running": 0.1, "train_accuracy": 0.98}]},
    # Mixes begin with a stage: its training-mode loss is higher than the head's, accuracy rises all the same.
    {
        "signals": _run([0.7, 0.5], [0.9, 0.8], [0.8, 0.85], "head")
        + _run([0.65, 0.45], [1.5, 1.4], [0.86, 0.9], "all"),
        "catalog": _TEN,
        "recipe": {"augment.mixup": 0.4},
    },
    # The head knew its training images by heart; the last stage knows them less well and validation better.
    {
        "signals": [
            {"meter": "loss", "stage": "head", "train": 0.23, "val": 1.91, "running": 0.8}
            | {"train_accuracy": 0.95, "val_accuracy": 0.47},
            {"meter": "loss", "stage": "last", "train": 0.8, "val": 1.51, "running": 1.4}
            | {"train_accuracy": 0.8, "val_accuracy": 0.5},
        ],
        "catalog": _TEN,
    },
    # One epoch of a new head: above guessing on the way, below it at the end.
    {"signals": _run([1.1], [2.9], [0.62], "head"), "catalog": _TEN},
    # A cold first epoch, and a wobble of a tenth.
    {"signals": _run([2.6, 0.9, 0.6, 0.62], [2.9, 1.2, 0.9, 0.95]), "catalog": _TEN},
    # A non-finite loss has a rule of its own.
    {"signals": _run([0.8, float("nan")], [0.9, float("nan")])},
)
