"""What it does
Shows the trained model some validation images once more with red and blue exchanged. Where the loss is lower then, by a tenth or
more and beyond chance (paired t-test), validation images have another channel order than training images.

Why it matters
Images that OpenCV wrote as if BGR were RGB are the usual cause. The validation score then tells of the channels and not of the
model, and a service that reads its images rightly will see another one.

Known problems
Grey images have no order and do not count. A model that does not look at colour shows no difference. Short trainings are not
measured, because it would cost more than a hundredth of them.

Source
SPEC S5 (wrong channel order at evaluation); Student's t for the mean of paired differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import ttest_1samp

from snellen.rules.curves import sample_losses
from snellen.run import Run
from snellen.values import Finding

READS = ("recall",)


def evaluation_channels(
    run: Run, *, share: float = 0.1, above: float = 0.05, chance: float = 1e-3, least: int = 20
) -> list[Finding]:
    """Find a loss that falls with the exchange.

    `share`, `above`: relative fall, and fall in nats, that count. `chance`: one-sided probability of it by chance. `least`:
    fewest images that the exchange changes at all.
    """
    exchanged, plain = run.predictions("val_exchanged"), run.predictions("val")
    places = {sample: place for place, sample in enumerate(plain.ids)}
    before = sample_losses(plain)[[places[sample] for sample in exchanged.ids]]
    after = sample_losses(exchanged)
    changed = np.abs(before - after) > 1e-6
    before, after = before[changed], after[changed]
    if len(before) < least or not before.mean() - after.mean() > max(share * before.mean(), above):
        return []
    p = float(ttest_1samp(before - after, 0.0, alternative="greater").pvalue)
    if not p < chance:
        return []
    message = (
        f"With red and blue exchanged {len(before)} validation images cost {after.mean():.2f} instead of {before.mean():.2f} (p = "
        f"{p:.1g}): they have another channel order than the training images."
    )
    evidence: dict[str, Any] = {
        "n": len(before), "val": float(before.mean()), "exchanged": float(after.mean()), "p": p, "limit": share,
        **_means(run),
    }  # fmt: skip
    return [Finding(rule="evaluation_channels", severity="block", message=message, evidence=evidence)]


def _means(run: Run) -> dict[str, float]:
    """Mean of red less blue in training and validation, where the pixels were measured."""
    catalog = run.catalog.usable()
    if not catalog.has("red") or not catalog.has("blue"):
        return {}
    sides = {split: catalog.of(split) for split in ("train", "val")}
    means = {
        s: np.nanmean(part.column("red").astype(float) - part.column("blue").astype(float)) for s, part in sides.items()
    }
    return {f"{split}_red_less_blue": float(value) for split, value in means.items()}


def _case(plain: float, exchanged: float, *, n: int = 40, scatter: float = 0.1) -> dict[str, Any]:
    """`n` images of class a of two: the probability of a without and with the exchange, give or take."""
    swing = [scatter * (((7 * i) % 11) / 10 - 0.5) for i in range(n)]

    def rows(middle: float, by: float) -> dict[str, Any]:
        chances = [min(0.99, max(0.01, middle + by * s)) for s in swing]
        return {"classes": ["a", "b"], "targets": [0] * n, "probabilities": [[p, 1 - p] for p in chances]}

    names = [f"v{i}" for i in range(n)]
    columns = {"id": names * 2, "target": ["a"] * 2 * n, "split": ["val"] * n + ["val_exchanged"] * n}
    return {"predictions": {"val": rows(plain, 1.0), "val_exchanged": rows(exchanged, -1.0)}, "catalog": columns}


FIRES = (_case(0.4, 0.8), _case(0.55, 0.7, n=120))
SILENT = (
    _case(0.8, 0.4),
    _case(0.7, 0.7),
    # Grey images: the exchange is none.
    _case(0.6, 0.6, scatter=0.0),
    # Too few.
    _case(0.4, 0.8, n=12),
)
