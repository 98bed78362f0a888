"""What it does
Finds a model that is evaluated on images of quite another size than it was trained on: where one side is twice the other or more, or where
it is worse at evaluation on the very images that it was trained on.

Why it matters
A network that has seen objects of 20 pixels only does not know them at 60, and its statistics of batch normalisation are those
of other maps.

Known problems
A somewhat larger size at evaluation (up to half as much again) makes up for random crops and is meant (FixRes). The other
reason for a bad evaluation mode, statistics of small batches, looks alike (`broken_norm`).

Source
SPEC M1; H. Touvron et al., arXiv:1906.06423 (train-test resolution discrepancy).
"""

from __future__ import annotations

from typing import Any

from snellen.rules.curves import among_classes, last_stage, median, needed, numbers, told
from snellen.run import Run
from snellen.values import Finding

READS = ("recall",)


def sizes_differ(
    run: Run, *, ratio: float = 1.6, worse: float = 1.1, far: float = 2.0, epochs: int = 2
) -> list[Finding]:
    """Find another size at evaluation that does harm, or is bound to.

    `ratio` of the two sides, either way; from `far` on nothing else is asked: a pretrained network may look better at the larger size, and
    was trained at one that shows it little. `worse`: median loss of training images in evaluation mode over that in training mode, of
    the last `epochs`: training mode, with its augmentation, is the harder one of a sound model.
    """
    records = run.signals("loss")
    size, other = told(run, "data.size"), told(run, "data.eval_size")
    if size is None or other is None or not among_classes(run):
        return []
    apart = max(size / other, other / size)
    if apart <= ratio:
        return []
    items = last_stage(records)[-epochs:]
    needed(items, "train", "running")
    here, there = median(numbers(items, "train")), median(numbers(items, "running"))
    if apart < far and not here > worse * there:
        return []
    message = (
        f"Training images have {size} px and cost {there:.2f}; evaluated at {other} px they cost {here:.2f}: sizes that differ "
        f"{apart:.1f} times (limit {ratio:g})."
    )
    evidence = {"size": size, "eval_size": other, "eval": here, "running": there, "limit": ratio}
    return [Finding(rule="sizes_differ", severity="warn", message=message, evidence=evidence)]


def _case(size: int, other: int, train: float, running: float) -> dict[str, Any]:
    signals = [{"meter": "loss", "stage": "all", "train": train, "val": train, "running": running}] * 3
    return {"signals": signals, "recipe": {"data.size": size, "data.eval_size": other}}


FIRES = (_case(24, 64, 2.0, 1.1), _case(224, 96, 1.6, 1.2), _case(128, 224, 1.6, 1.2), _case(24, 64, 0.9, 1.1))
SILENT = (_case(128, 160, 2.0, 1.1), _case(128, 224, 0.9, 1.1), _case(128, 128, 2.0, 1.1))
