"""What it does
Finds a training of the head alone that ended without having learned its training images, though validation is no worse.

Why it matters
A frozen trunk offers the features of the images that it was pretrained on. Where they do not tell these classes apart, no
number of epochs of the head will; the last stages must be allowed to change.

Known problems
Where time holds no more than the head, that is known and meant. With very few images a head alone can be the best there is.

Source
SPEC S5, M3; J. Yosinski et al., arXiv:1411.1792 (frozen upper layers cost accuracy; fine-tuning recovers it).
"""

from __future__ import annotations

from typing import Any

from snellen.rules.curves import among_classes, last_stage, median, needed, numbers, told
from snellen.run import Run
from snellen.values import Finding

READS = ("recall",)


def frozen_too_much(run: Run, *, accuracy: float = 0.95, gap: float = 0.5) -> list[Finding]:
    """Find a head that cannot learn more. `accuracy` on training images that counts as learned; a wider `gap` (nats) is
    over-fitting, which more freedom makes worse."""
    records, stages = run.signals("loss"), told(run, "stages")
    if stages is None or not among_classes(run) or any(stage.unfreeze != "head" for stage in stages):
        return []
    needed(records, "train", "val", "train_accuracy")
    last = last_stage(records)[-1:]
    train, val, right = (median(numbers(last, key)) for key in ("train", "val", "train_accuracy"))
    if not right < accuracy or not val - train <= gap:
        return []
    epochs = sum(stage.epochs for stage in stages)
    message = (
        f"Only the head was trained ({epochs} epochs): it is right on {right:.1%} of the training images, at a loss of {train:.2f} there "
        f"and {val:.2f} on validation."
    )
    evidence = {"train": train, "val": val, "train_accuracy": right, "epochs": epochs, "limit": accuracy}
    return [Finding(rule="frozen_too_much", severity="warn", message=message, evidence=evidence)]


HEAD = [{"name": "head", "unfreeze": "head", "epochs": 5}]


def _case(
    train: float, accuracy: float, stages: list[dict[str, Any]] | None = None, gap: float = 0.1
) -> dict[str, Any]:
    signals = [
        {"meter": "loss", "stage": "head", "train": train, "val": train + gap, "train_accuracy": accuracy}
    ] * 3  # fmt: skip
    return {"signals": signals, "recipe": {"stages": stages or HEAD}}


FIRES = (_case(0.9, 0.7), _case(0.4, 0.9, gap=0.3))
SILENT = (
    _case(0.2, 0.97),
    # More of the network was trained.
    _case(0.9, 0.7, [*HEAD, {"name": "last", "unfreeze": "last", "epochs": 3}]),
    # Learned by heart.
    _case(0.4, 0.9, gap=0.9),
)
