"""What it does
Lists images that carry one and the same small patch (a spot, stamp, border) at one place, where nearly all of them are of one
class.

Why it matters
A model learns the patch instead of the class: it scores well on data with the patch and fails where it is missing, and
whatever else carries it is taken for the class.

Known problems
A patch that moves about, or that is on less than about an eighth of a large class, is not seen. Something that truly belongs to
the class and always lies at one place (a printed frame) is listed too: look at it.

Source
SPEC D5; Lapuschkin et al. 2019, Unmasking Clever Hans predictors, doi:10.1038/s41467-019-08987-4.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding

TASKS = ("classification",)


def shortcut_marker(catalog: Catalog, *, share: float = 0.8, least: int = 6) -> list[Finding]:
    """One finding for every marker that at least `least` usable training images carry, the share `share` of one class."""
    train = catalog.usable().of("train")
    numbers, boxes = train.column("marker"), train.column("marker_box")
    targets = train.column("target").astype(str)
    ids, findings = train.ids, []
    for number in np.unique(numbers[numbers >= 0]).tolist():
        rows = np.flatnonzero(numbers == number)
        name, most = Counter(targets[rows].tolist()).most_common(1)[0]
        if most >= max(least, share * len(rows)):
            # Those of other classes first: they are where the marker does harm already.
            worst = rows[np.argsort(targets[rows] == name, kind="stable")]
            findings.append(_finding(name, most, int((targets == name).sum()), boxes[rows[0]], [ids[i] for i in worst]))
    return findings


def _finding(name: str, most: int, size: int, box: np.ndarray, samples: list[str]) -> Finding:
    place = _place(box)
    message = (
        f"{len(samples)} training images carry the same patch at the {place}, {most} of them of class {name!r} ({most / size:.0%} of "
        "it): a model can learn the patch instead of the class. Remove it, or put it on all classes alike."
    )
    evidence = {
        "count": len(samples), "class": name, "of_class": most, "class_size": size, "share": most / len(samples), "class_share": most / size,
        "place": place, "box": [round(float(value), 3) for value in box],
    }  # fmt: skip
    return Finding(
        rule="shortcut_marker", severity="warn", message=message, evidence=evidence, samples=tuple(samples[:200])
    )


def _place(box: np.ndarray) -> str:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    words = [word for word in (_third(y, "top", "bottom"), _third(x, "left", "right")) if word]
    return " ".join(words) or "middle"


def _third(value: float, low: str, high: str) -> str:
    return low if value < 1 / 3 else high if value > 2 / 3 else ""


def _catalog(own: int, other: int) -> dict[str, object]:
    marked = own + other
    return {
        "catalog": {
            "target": ["cat"] * own + ["dog"] * other + ["cat"] * 20 + ["dog"] * 20,
            "marker": [0] * marked + [-1] * 40,
            "marker_box": [[0.0, 0.0, 0.1, 0.1]] * marked + [[float("nan")] * 4] * 40,
        }
    }


FIRES = (_catalog(10, 0), _catalog(18, 2))
SILENT = (_catalog(0, 0), _catalog(3, 0), _catalog(10, 9))
