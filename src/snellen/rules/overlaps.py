"""How rules read the overlap of masks: the end of the curves of each class, and cases of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snellen.catalog import MissingSignal
from snellen.rows import Statistics
from snellen.rules.curves import stored
from snellen.run import Run

Record = Mapping[str, Any]


def end_of(run: Run, epochs: int) -> list[Record]:
    """The last records of the meter `overlap`."""
    return list(run.signals("overlap")[-epochs:])


def median_of(records: Sequence[Record], key: str, name: str) -> float:
    """Median over epochs of one number of a class; NaN where an epoch lacks it."""
    return float(np.median([float(record[key].get(name, np.nan)) for record in records]))


def counted(run: Run) -> Statistics:
    """The stored counts of validation; raises MissingSignal where there are none."""
    rows = stored(run, "val")
    if not isinstance(rows, Statistics):
        raise MissingSignal("predictions of val")
    return rows


def worst_images(rows: Statistics | None, name: str, most: int = 30) -> tuple[str, ...]:
    """Images that hold the class, those with most of its pixels wrong first."""
    if rows is None or name not in rows.classes:
        return ()
    place = rows.classes.index(name)
    wrong = rows["predicted"][:, place] + rows["wanted"][:, place] - 2 * rows["both"][:, place]
    order = np.argsort(-wrong, kind="stable")
    return tuple(rows.ids[row] for row in order if rows["wanted"][row, place] > 0)[:most]


def spread_of(rows: Statistics, name: str) -> float:
    """Standard error over images of a class's pooled IoU (delta method of a ratio of sums); 0 with fewer than two images."""
    place, n = rows.classes.index(name), len(rows.ids)
    both = rows["both"][:, place]
    either = rows["predicted"][:, place] + rows["wanted"][:, place] - both
    if n < 2 or not either.sum():
        return 0.0
    parts = n * (both - both.sum() / either.sum() * either) / either.sum()
    return float(parts.std(ddof=1) / np.sqrt(n))


def case(
    iou: Mapping[str, float], *, epochs: int = 4, predicted: Mapping[str, float] | None = None,
    boundary: Mapping[str, float] | None = None, train: float | None = None, wanted: Mapping[str, float] | None = None,
    statistics: Mapping[str, Any] | None = None, images: int = 40, recipe: Mapping[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A case of a run on masks that ends with these numbers of each class."""
    share = dict(wanted) if wanted else dict.fromkeys(iou, 1 / len(iou))
    mean = sum(iou.values()) / len(iou)
    signal = {
        "meter": "overlap", "values": dict(iou), "boundary": dict(boundary or iou), "wanted": share,
        "predicted": dict(predicted or share), "counts": dict.fromkeys(iou, images), "val": mean,
        "train": mean + 0.03 if train is None else train,
    }  # fmt: skip
    made: dict[str, Any] = {"signals": [signal] * epochs, "recipe": {"task": "segmentation", **(recipe or {})}}
    return made if statistics is None else {**made, "statistics": {"val": statistics}}


def statistics(
    iou: Mapping[str, float], *, images: int = 40, spread: float = 0.1, small: tuple[int, int] = (0, 0), large: tuple[int, int] = (0, 0)
) -> dict[str, Any]:  # fmt: skip
    """Stored rows in which every class has about this IoU in every image, with a fixed scatter; `small` and `large` are objects
    found and there in each image, of the last class."""
    k, wanted = len(iou), 400.0
    scatter = [1 + spread * (((7 * i) % 11) / 5 - 1) for i in range(images)]
    both = [[wanted * 2 * v / (1 + v) * min(s, 1 / max(2 * v / (1 + v), 1e-9)) for v in iou.values()] for s in scatter]
    objects = {"small": small[1], "small_found": small[0], "large": large[1], "large_found": large[0]}
    last = {name: [[0.0] * (k - 1) + [float(count)]] * images for name, count in objects.items()}
    return {
        "classes": list(iou),
        "columns": {"loss": [0.3] * images, "both": both, "wanted": [[wanted] * k] * images, "predicted": [[wanted] * k] * images, **last},
    }  # fmt: skip
