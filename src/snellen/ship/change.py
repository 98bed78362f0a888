"""What a changed model brings on the images that both answer: paired by image."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import t as student

from snellen.rows import Rows

LEVEL = 0.95


def change(task: Any, before: Rows, after: Rows, metric: str) -> dict[str, float]:
    """{"effect", "low", "high", "n"} of a metric of one model against another, with its 95 % interval over images (Student's t).

    Rows are matched by id; more is better. Raises KeyError where an image was not answered by both.
    """
    place = {sample: number for number, sample in enumerate(after.ids)}
    one, other = (np.multiply(*task.paired(rows, metric)) for rows in (before, after))
    apart = other[[place[sample] for sample in before.ids]] - one
    n = len(apart)
    reach = float(student.ppf((1 + LEVEL) / 2, n - 1) * apart.std(ddof=1) / np.sqrt(n)) if n > 1 else float("inf")
    middle = float(apart.mean())
    return {"effect": middle, "low": middle - reach, "high": middle + reach, "n": n}
