"""What it does
Compares two losses on training images: in training mode (with the statistics of each batch, augmentation and dropout) and
in evaluation mode (with the stored statistics, on plain images). Where the second is much larger, at the end of the last
stage, and validation is as bad, the stored statistics of batch normalisation do not fit the weights. Where the stage was long
enough to afford it, the same plain images are also compared with stored and with their own statistics.

Why it matters
Training mode makes the task harder, so that its loss is the larger one of a sound model. A model that is good in training
mode only is of no use: it will be served in evaluation mode.

Known problems
Averaged weights that still trail a fast training look the same for an epoch or two; so only stages of three epochs and
more are judged, and both of the last two must show it. Models without batch normalisation can only get here that way.

Source
SPEC S4, S5; S. Ioffe, arXiv:1702.03275 (small and dependent batches); Y. Wu, J. Johnson, arXiv:2105.07576 (train-test
inconsistency of batch normalisation).
"""

from __future__ import annotations

from typing import Any

from snellen.catalog import MissingSignal
from snellen.rules.curves import in_nats, last_stage, needed, optional, told
from snellen.run import Run
from snellen.values import Finding

READS = ("recall",)


def broken_norm(run: Run, *, ratio: float = 1.5, above: float = 0.5, epochs: int = 3, late: int = 2) -> list[Finding]:
    """Find evaluation mode at odds with training mode.

    `ratio`, `above`: the loss in evaluation mode exceeds `ratio` times that in training mode plus `above` nats, in each
    of the last `late` epochs of a stage of at least `epochs`.
    """
    in_nats(run)
    direct = _modes(run, ratio, above)
    if direct:
        return direct
    items = last_stage(run.signals("loss"))
    needed(items, "train", "val", "running")
    if told(run, "loss.settings") is None or run.recipe.loss.name != "cross_entropy":
        # A log tells one training loss, that of training mode; another loss than cross-entropy is smaller by itself.
        raise MissingSignal("a cross-entropy of training images in both modes")
    end = items[-late:]
    if len(items) < epochs or not all(
        min(item["train"], item["val"]) > ratio * item["running"] + above for item in end
    ):
        return []
    last = end[-1]
    message = (
        f"In evaluation mode the training images cost {last['train']:.2f} (validation {last['val']:.2f}), in training mode "
        f"{last['running']:.2f}: the stored statistics of batch normalisation do not fit. Batches hold {run.recipe.train.batch} images."
    )
    evidence: dict[str, Any] = {
        "eval": last["train"],
        "val": last["val"],
        "running": last["running"],
        "ratio": last["train"] / last["running"] if last["running"] > 0 else None,
        "limit": ratio,
        "above": above,
        "stage": last["stage"],
        "batch": told(run, "train.batch"),
        "ema": told(run, "train.ema"),
    }
    return [Finding(rule="broken_norm", severity="warn", message=message, evidence=evidence)]


def _modes(run: Run, ratio: float, above: float) -> list[Finding]:
    """The same images with both statistics, where that was measured at the end of the last stage: nothing else differs."""
    seen = optional(run, "modes")
    if not seen or not float(seen[-1]["stored"]) > ratio * float(seen[-1]["batch"]) + above:
        return []
    last = seen[-1]
    message = (
        f"With the stored statistics of batch normalisation {last['n']} training images cost {last['stored']:.2f}, with the batch's "
        f"own {last['batch']:.2f}: the stored ones do not fit. Batches hold {run.recipe.train.batch} images."
    )
    evidence: dict[str, Any] = {
        "sign": "modes", "eval": last["stored"], "running": last["batch"], "n": last["n"], "limit": ratio, "above": above,
        "stage": last["stage"], "batch": told(run, "train.batch"), "ema": told(run, "train.ema"),
    }  # fmt: skip
    return [Finding(rule="broken_norm", severity="warn", message=message, evidence=evidence)]


def _run(running: list[float], train: list[float], val: list[float] | None = None) -> list[dict[str, Any]]:
    return [
        {"meter": "loss", "stage": "all", "train": t, "val": v, "running": r}
        for t, v, r in zip(train, val or train, running, strict=True)
    ]


FIRES = (
    {"signals": _run([1.2, 0.6, 0.4, 0.3], [3.0, 2.6, 2.4, 2.5]), "recipe": {"train.batch": 2}},
    {"signals": _run([0.9, 0.5, 0.2], [1.5, 1.4, 1.3], [1.6, 1.5, 1.6]), "recipe": {"train.batch": 8}},
    # The same images in both modes, whatever augmentation and averaging do to the curves.
    {
        "signals": [
            *_run([0.9, 0.7], [0.8, 0.75]),
            {"meter": "modes", "stage": "all", "stored": 2.4, "batch": 0.6, "n": 32},
        ]
    },
)
SILENT = (
    {
        "signals": [
            *_run([0.9, 0.7], [0.8, 0.6]),
            {"meter": "modes", "stage": "all", "stored": 0.6, "batch": 0.7, "n": 32},
        ]
    },
    {"signals": _run([1.2, 0.9, 0.8, 0.7], [0.9, 0.6, 0.4, 0.3])},
    # Averaged weights trail in the first epochs.
    {"signals": _run([0.9, 0.6, 0.4, 0.3], [3.0, 1.4, 0.5, 0.3])},
    # Over-fitting: only validation is worse.
    {"signals": _run([0.5, 0.2, 0.05, 0.02], [0.4, 0.15, 0.03, 0.01], [0.9, 1.1, 1.3, 1.5])},
    # The rate was too high: both are bad.
    {"signals": _run([3.0, 2.5, 2.4], [3.5, 3.1, 2.8])},
    {"signals": _run([0.9, 0.3], [2.0, 1.9])},
)
