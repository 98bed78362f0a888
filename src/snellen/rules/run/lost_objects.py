"""What it does
Counts the objects of the validation masks (connected pieces of a class) that are found, small ones (below 0.2 % of the image)
and others. Where fewer than half of the small ones are found, and 30 points fewer than of the others, by more than chance, the
small ones are being lost.

Why it matters
IoU over pixels hardly notices small objects, however many: a count that is made of the mask later does. They need pixels: larger
images, or a loss that looks at what is hard.

Known problems
Specks in the masks that nobody meant count as objects. With fewer than ten small objects nothing is said.

Source
SPEC S5; Fisher's exact test (1922); found = at least half of its pixels, as panoptic quality matches (Kirillov et al. 2019).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import fisher_exact

from snellen.rules.overlaps import case, counted, statistics
from snellen.run import Run
from snellen.values import Finding

READS = ("overlap",)


def lost_objects(
    run: Run, *, found: float = 0.5, behind: float = 0.3, least: int = 10, chance: float = 0.01
) -> list[Finding]:
    """Find small objects that are lost, over all classes that are not the one with most pixels."""
    run.signals("overlap")
    rows = counted(run)
    things = np.delete(np.arange(len(rows.classes)), rows["wanted"].sum(axis=0).argmax())
    small, small_found, large, large_found = (
        int(rows[name][:, things].sum()) for name in ("small", "small_found", "large", "large_found")
    )
    if small < least or large < least:
        return []
    shares = small_found / small, large_found / large
    p = float(
        fisher_exact([[small_found, small - small_found], [large_found, large - large_found]], alternative="less")[1]
    )
    if shares[0] >= found or shares[0] > shares[1] - behind or p >= chance:
        return []
    data = run.recipe.data
    message = (
        f"{small - small_found} of {small} small objects are lost ({shares[0]:.0%} found, of the others {shares[1]:.0%}; "
        f"p = {p:.2g}), at {data.size} px in training."
    )
    evidence = {
        "small": small, "small_found": small_found, "share": shares[0], "large": large, "large_found": large_found,
        "large_share": shares[1], "lost": small - small_found, "p": p, "limit": found, "size": data.size,
        "eval_size": data.eval_size or data.size, "loss": run.recipe.loss.name,
    }  # fmt: skip
    missed = (rows["small"] - rows["small_found"])[:, things].sum(axis=1)
    order = np.argsort(-missed, kind="stable")
    samples = tuple(rows.ids[row] for row in order if missed[row] > 0)[:30]
    return [Finding(rule="lost_objects", severity="warn", message=message, evidence=evidence, samples=samples)]


_IOU = {"background": 0.95, "cell": 0.8}


def _case(small: tuple[int, int], large: tuple[int, int], **recipe: int) -> dict[str, object]:
    rows = statistics(_IOU, small=small, large=large, images=20)
    rows["columns"]["wanted"] = [[4000.0, 400.0]] * 20
    return case(_IOU, statistics=rows, recipe={f"data.{key}": value for key, value in recipe.items()})


FIRES = (
    _case((1, 4), (5, 5), size=128, eval_size=192),
    _case((0, 2), (4, 5)),
    _case((1, 3), (9, 10)),
)
SILENT = (
    _case((4, 5), (5, 5)),
    # All are lost alike: it is not their size.
    _case((1, 4), (1, 4)),
    # Nothing large to compare with.
    _case((1, 4), (0, 0)),
    _case((0, 0), (5, 5)),
)
