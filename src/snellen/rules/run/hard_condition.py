"""What it does
Of a training on masks, tests whether the quarter of the validation images that came out worst (by the mean IoU of each image)
concentrates in one capture condition: a value of the metadata, a source, an annotator, an embedding cluster, or low or high brightness,
contrast, saturation or sharpness. They are compared with the other validation images.

Why it matters
"The dark ones" can be mended by augmentation that makes dark ones, or by ten more such photographs; "some" cannot.

Known problems
With a few dozen images only a very clear concentration survives the correction for the number of looks. Images of a class that is hard
by itself may look alike too: then the condition is a sign of the class and not the cause.

Source
SPEC S3; Mann-Whitney's rank test, Fisher's exact test, Holm's correction (1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snellen.rules.conditions import STATISTICS, Look, looks
from snellen.rules.overlaps import case, counted, statistics
from snellen.run import Run
from snellen.values import Finding

READS = ("overlap",)


def hard_condition(
    run: Run, *, chance: float = 0.05, share: float = 0.25, least: int = 5, below: float = 0.1
) -> list[Finding]:
    """Find the clearest condition of the worst images; `samples` are those of them that are in it, worst first.

    `chance`: probability of a false finding, over all looks. `share` of the images that are the worst, `least` at fewest.
    `below`: how far their mean lies below that of the others, at least.
    """
    run.signals("overlap")
    rows = counted(run)
    values = rows.shares
    number = round(share * len(rows.ids))
    if values is None or number < least:
        return []
    order = np.argsort(values, kind="stable")
    worst, others = order[:number], order[number:]
    here, there = float(values[worst].mean()), float(values[others].mean())
    if not here < there - below:
        return []
    run.catalog.column(STATISTICS[0])
    bad, good = (run.catalog.take(run.catalog.rows([rows.ids[place] for place in part])) for part in (worst, others))
    seen = looks(bad, good)
    if not seen or not seen[0].corrected < chance:
        return []
    samples = tuple(rows.ids[place] for place, inside in zip(worst, seen[0].inside, strict=True) if inside)
    return [_finding(seen[0], number, len(rows.ids), (here, there), len(seen), samples)]


def _finding(
    look: Look, number: int, total: int, means: tuple[float, float], looked: int, samples: tuple[str, ...]
) -> Finding:
    what = look.told("the others")
    message = (
        f"The worst {number} of {total} validation images (mean IoU {means[0]:.1%}, the others {means[1]:.1%}) concentrate in {what}; "
        f"p = {look.corrected:.2g} after {looked} looks."
    )
    evidence: dict[str, Any] = {
        "condition": look.condition, "direction": look.direction, "here": look.here, "there": look.there, "p": look.p,
        "p_corrected": look.corrected, "looks": looked, "count": number, "total": total, "iou": means[0], "iou_others": means[1],
    }  # fmt: skip
    return Finding(rule="hard_condition", severity="warn", message=message, evidence=evidence, samples=samples)


_IOU = {"ground": 0.9, "leaf": 0.7}


def _case(shares: Sequence[float], columns: Mapping[str, Sequence[object]]) -> dict[str, Any]:
    """Validation images with these shares; conditions that are not given scatter and go with nothing."""
    n = len(shares)
    plain = {"brightness": 0.5, "contrast": 0.2, "saturation": 0.4, "sharpness": 0.01}
    filled = {
        name: [round(middle * (0.8 + 0.4 * ((7 * i) % 11) / 10), 4) for i in range(n)] for name, middle in plain.items()
    }
    rows = statistics(_IOU, images=n)
    rows["columns"]["share"] = list(shares)
    made = case(_IOU, statistics=rows, images=n)
    return {**made, "catalog": {"target": [""] * n, "split": ["val"] * n, **filled, **columns}}


_WORST = [0.3] * 10 + [0.8] * 30
_DARK = [0.1 + 0.01 * i for i in range(10)] + [0.5 + 0.005 * i for i in range(30)]
FIRES = (
    _case(_WORST, {"brightness": _DARK}),
    _case(_WORST, {"source": ["phone"] * 9 + ["camera"] * 31}),
    _case(_WORST, {"meta_weather": ["fog"] * 10 + ["sun"] * 28 + ["fog"] * 2}),
)
SILENT = (
    _case(_WORST, {}),
    # The condition is there, and its images are hardly worse.
    _case([0.75] * 10 + [0.8] * 30, {"brightness": _DARK}),
    # Too few to say.
    _case([0.3] * 3 + [0.8] * 12, {"brightness": [0.1] * 3 + [0.6] * 12}),
)
