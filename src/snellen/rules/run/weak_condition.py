"""What it does
For each weak class, tests whether the validation images that the model got wrong concentrate in one capture condition:
a value of the metadata, a source, an annotator, an embedding cluster, or low or high brightness, contrast, saturation
or sharpness. They are compared with the class's images that were right; where fewer than three were, with its training
images.

Why it matters
"The dark ones" can be mended by augmentation aimed at darkness, or by ten more such photographs; "some" cannot.

Known problems
With a dozen images only a very clear concentration survives the correction for the number of looks. A condition that
goes with another (dark images that are also blurred) is named by whichever is clearer.

Source
SPEC S3; Mann-Whitney's rank test, Fisher's exact test, Holm's correction (1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from snellen.catalog import Catalog
from snellen.rules.conditions import STATISTICS, Look, looks
from snellen.rules.run.weak_class import weak_class
from snellen.run import Predictions, Run
from snellen.values import Finding

READS = ("recall",)


def weak_condition(run: Run, *, chance: float = 0.05, least: int = 3, below: float = 0.2) -> list[Finding]:
    """Find the clearest condition of each weak class; `samples` are its wrong validation images in that condition.

    `chance`: probability of a false finding for a class, over all its looks. `least`: fewest wrong images to look at.
    `below`: distance to the mean recall that makes a class weak.
    """
    weak = [str(finding.evidence["class"]) for finding in weak_class(run, below=below)]
    if not weak:
        return []
    catalog, rows = run.catalog, run.predictions("val")
    catalog.column(STATISTICS[0])
    return [finding for name in weak for finding in _of_class(catalog, rows, name, chance, least)]


def _of_class(catalog: Catalog, rows: Predictions, name: str, chance: float, least: int) -> list[Finding]:
    of_class = rows.targets == rows.classes.index(name)
    wrong = catalog.take(catalog.rows([rows.ids[i] for i in np.flatnonzero(of_class & ~rows.correct)]))
    right = catalog.take(catalog.rows([rows.ids[i] for i in np.flatnonzero(of_class & rows.correct)]))
    against = "right"
    if len(right) < least:
        train = catalog.usable().of("train")
        right, against = train.where(train.column("target").astype(str) == name), "training"
    if len(wrong) < least or len(right) < least:
        return []
    seen = looks(wrong, right)
    if not seen or not seen[0].corrected < chance:
        return []
    return [_finding(name, seen[0], wrong, len(right), against, len(seen))]


def _finding(name: str, look: Look, wrong: Catalog, others: int, against: str, number: int) -> Finding:
    whom = "those it got right" if against == "right" else "its training images"
    what = look.told(whom)
    message = (
        f"The {len(wrong)} wrong validation images of class {name!r} concentrate in {what}; "
        f"p = {look.corrected:.2g} after {number} looks."
    )
    evidence = {
        "class": name,
        "condition": look.condition,
        "direction": look.direction,
        "here": look.here,
        "there": look.there,
        "p": look.p,
        "p_corrected": look.corrected,
        "looks": number,
        "wrong": len(wrong),
        "others": others,
        "against": against,
    }
    samples = wrong.where(look.inside).ids
    return Finding(rule="weak_condition", severity="warn", message=message, evidence=evidence, samples=samples)


def _case(wrong: int, right: int, columns: Mapping[str, Sequence[object]]) -> dict[str, object]:
    """A run on classes a (all 40 right) and b (`wrong` then `right`); `columns` hold values for b's validation rows."""
    n = wrong + right
    middle = {"brightness": 0.5, "contrast": 0.2, "saturation": 0.4, "sharpness": 0.01}
    filled = {key: [*_spread(40, value), *_spread(n, value)] for key, value in middle.items()}
    for key, values in columns.items():
        filled[key] = [*(filled[key][:40] if key in filled else [values[0]] * 40), *values]
    sure, unsure = [0.95, 0.05], [0.1, 0.9]
    return {
        "signals": [
            {
                "meter": "recall",
                "stage": "all",
                "values": {"a": 1.0, "b": right / n},
                "counts": {"a": 40, "b": n},
            }
        ]
        * 3,
        "catalog": {"target": ["a"] * 40 + ["b"] * n, "split": ["val"] * (40 + n), **filled},
        "predictions": {
            "val": {
                "classes": ["a", "b"],
                "targets": [0] * 40 + [1] * n,
                "probabilities": [sure] * 40 + [sure] * wrong + [unsure] * right,
            }
        },
    }


def _spread(n: int, middle: float) -> list[object]:
    # A fixed scatter of ±20 % that goes with nothing.
    return [round(middle * (0.8 + 0.4 * ((7 * i) % 11) / 10), 4) for i in range(n)]


_DARK = [0.1 + 0.01 * i for i in range(12)]
_LIGHT = [0.5 + 0.01 * i for i in range(12)]
FIRES = (
    _case(12, 12, {"brightness": [*_DARK, *_LIGHT]}),
    _case(12, 8, {"sharpness": [0.001 + 0.0001 * i for i in range(12)] + [0.01 + 0.001 * i for i in range(8)]}),
    _case(10, 12, {"meta_angle": ["side"] * 10 + ["front"] * 11 + ["side"]}),
    _case(12, 12, {"source": ["phone"] * 11 + ["camera"] * 13}),
    _case(12, 12, {"cluster": [3] * 12 + [1] * 12}),
)
SILENT = (
    # Weak, but the wrong ones look like the right ones.
    _case(12, 12, {}),
    # Weak, and all from one source, as the right ones are.
    _case(12, 12, {"source": ["phone"] * 24}),
    # The concentration is there, but the class is not weak.
    _case(3, 37, {"brightness": [*_DARK[:3], *[0.5 + 0.002 * i for i in range(37)]]}),
    # Four wrong images cannot carry seven looks.
    _case(4, 4, {"brightness": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]}),
    # A column with a value of its own for each image is no condition.
    _case(12, 12, {"meta_time": [f"12:{i}" for i in range(24)]}),
)
