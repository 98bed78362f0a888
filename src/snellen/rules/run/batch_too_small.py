"""What it does
Finds batches of eight images or fewer whose own statistics of batch normalisation spoil what is learned: at the end of a stage the same
training images cost clearly more when they go through in batches of that size than with the stored statistics.

Why it matters
Batch normalisation in training takes mean and variance of the batch. Of four images they are mostly chance, so that every step is
computed on other features than those that validation and the shipped model have. Kept pretrained statistics or larger batches mend it;
accumulating gradients does not, because each part still has its own statistics.

Known problems
It is measured on a few dozen images at the end of stages that train more than the head, and not at all in very short ones. A network
without batch normalisation has no such trouble, and nothing is said of it.

Source
SPEC S4, M3. Y. Wu, K. He, "Group Normalization", arXiv:1803.08494, fig. 1 (the error of batch normalisation grows quickly below 16 images).
"""

from __future__ import annotations

from typing import Any

from snellen.rules.curves import told
from snellen.run import Run
from snellen.values import Finding

READS = ("modes",)


def batch_too_small(run: Run, *, few: int = 8, ratio: float = 1.3, above: float = 0.1) -> list[Finding]:
    """Find batches whose statistics are mostly chance.

    `few`: images of a batch that are looked at. `ratio`, `above`: with the statistics of batches as small as those of training, the same images cost more than `ratio` times what
    they cost with the stored ones, plus `above` nats.
    """
    run.signals("loss")  # Of a run that recorded nothing there is nothing to say.
    size = told(run, "train.batch")
    if size is None or size > few:
        return []
    last = run.signals("modes")[-1]
    if last.get("small") is None:
        return []
    small, stored = float(last["small"]), float(last["stored"])
    if not small > ratio * stored + above:
        return []
    message = (
        f"Batches hold {size} images. With the statistics of so few, {last['n']} training images cost {small:.2f}; with the stored ones "
        f"{stored:.2f}: each step is computed on features that validation never sees."
    )
    evidence: dict[str, Any] = {
        "batch": size, "small": small, "stored": stored, "n": last["n"], "limit": ratio, "above": above, "stage": last["stage"],
    }  # fmt: skip
    return [Finding(rule="batch_too_small", severity="warn", message=message, evidence=evidence)]


def _case(batch: int, stored: float, small: float | None) -> dict[str, Any]:
    seen = {"meter": "modes", "stage": "all", "stored": stored, "batch": stored, "n": 32}
    loss = {"meter": "loss", "stage": "all", "train": stored, "val": stored, "running": stored}
    return {"signals": [loss, seen if small is None else {**seen, "small": small}], "recipe": {"train.batch": batch}}


FIRES = (_case(4, 0.8, 1.4), _case(8, 0.2, 0.4))
SILENT = (
    _case(4, 0.8, 0.9),
    _case(8, 1.5, 1.9),
    # Larger batches are not looked at so.
    _case(32, 0.8, None),
    # Memorised: both are small.
    _case(4, 0.02, 0.1),
)
