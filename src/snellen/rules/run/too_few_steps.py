"""What it does
Finds a last stage that takes fewer than ten steps an epoch because its batches are larger than 64 images, in a training that has not
learned its training images though validation is no worse.

Why it matters
What a network learns in an epoch it learns in steps. Beyond a few dozen images a larger batch makes a step hardly better, and the
epoch has fewer of them: at the same cost the training comes less far.

Known problems
Where the images are so few that small batches fill few steps too, that is the data and nothing is said. With many machines large batches
can be meant; then more epochs are the answer.

Source
SPEC M3 (32 to 64). E. Hoffer, I. Hubara, D. Soudry, arXiv:1705.08741 (it is the number of updates that counts); D. Masters, C. Luschi,
arXiv:1804.07612; C. Shallue et al., arXiv:1811.03600 (how far larger batches help).
"""

from __future__ import annotations

from typing import Any

from snellen.rules.curves import among_classes, guessing, last_stage, median, needed, numbers, steps_of_last, told
from snellen.run import Run
from snellen.values import Finding


def too_few_steps(
    run: Run, *, steps: float = 10.0, batch: int = 64, accuracy: float = 0.9, way: float = 0.7, gap: float = 0.3
) -> list[Finding]:
    """Find large batches that leave few steps.

    `steps`: fewest of an epoch. `batch`: largest that is usual for few images. `accuracy` on training images and `way` (share of the
    way from guessing to loss 0) count as learned, together; a wider `gap` (nats) is over-fitting.
    """
    records, size = run.signals("loss"), told(run, "train.batch")
    if size is None or size <= batch or not run.knows("stages") or not among_classes(run):
        return []
    needed(records, "train", "val")
    items, count = last_stage(records), steps_of_last(records)
    train, val, right = (median(numbers(items[-1:], key)) for key in ("train", "val", "train_accuracy"))
    each, reached = count / len(items), 1 - train / guessing(run)
    if each >= steps or not val - train <= gap or (reached >= way and not right < accuracy):
        return []
    message = (
        f"Batches of {size} images leave stage {items[-1]['stage']!r} {each:.3g} steps an epoch ({count} in all): training images cost "
        f"{train:.2f} at the end, {reached:.0%} of the way from guessing ({guessing(run):.2f})."
    )
    evidence = {
        "batch": size, "each": each, "steps": count, "epochs": len(items), "limit": steps, "stage": items[-1]["stage"],
        "train": train, "val": val, "way": reached, "guessing": guessing(run),
    }  # fmt: skip
    return [Finding(rule="too_few_steps", severity="warn", message=message, evidence=evidence)]


def _case(batch: int, each: int, train: float = 2.1, accuracy: float = 0.3, gap: float = 0.05) -> dict[str, Any]:
    """Ten classes (guessing costs 2.30); a stage of four epochs and one of three, of so many steps each."""
    signals = [
        {"meter": "loss", "stage": "head" if place <= 4 else "last", "step": each * place, "train": train, "val": train + gap}
        | {"train_accuracy": accuracy}
        for place in range(1, 8)
    ]  # fmt: skip
    return {
        "signals": signals, "recipe": {"train.batch": batch}, "catalog": {"target": [f"c{i}" for i in range(10)] * 3},
    }  # fmt: skip


FIRES = (_case(600, 1), _case(512, 4, 1.2, 0.6))
SILENT = (
    # Few images, not large batches.
    _case(32, 2),
    # Many images.
    _case(512, 100),
    # Learned all the same.
    _case(600, 4, 0.2, 0.97),
    # Over-fitting.
    _case(600, 4, 1.0, 0.8, gap=0.8),
)
