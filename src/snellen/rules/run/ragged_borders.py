"""What it does
Finds classes whose boundary F stays far below their IoU: the right things are found in the right places, and their outlines
are wrong. Boundary F is the harmonic mean of the shares of predicted and wanted edge pixels that have the other within 0.75 %
of the diagonal.

Why it matters
Where the outline is what counts (measuring, cutting out), IoU hides it: a large object with a ragged border has a high IoU. More
resolution, or a decoder that sees finer maps, sharpens it.

Known problems
Masks that were drawn coarsely cannot be met better than they were drawn: look at the audit's coarse and ragged masks first.

Source
SPEC T3, S5; Csurka et al. 2013, What is a good evaluation measure for semantic segmentation?, BMVC; Perazzi et al. 2016.
"""

from __future__ import annotations

from snellen.rules.curves import stored
from snellen.rules.overlaps import case, end_of, median_of, worst_images
from snellen.run import Run
from snellen.values import Finding

READS = ("overlap",)


def ragged_borders(
    run: Run, *, below: float = 0.2, epochs: int = 3, good: float = 0.6, images: int = 3
) -> list[Finding]:
    """Find the class whose boundary F is furthest below its IoU, by more than `below`, where that is `good` or more."""
    records = end_of(run, epochs)
    # The borders of what is everywhere else are those of the others.
    ground = max(records[-1]["wanted"], key=lambda name: records[-1]["wanted"][name], default="")
    gaps = {
        name: median_of(records, "values", name) - median_of(records, "boundary", name)
        for name, count in records[-1]["counts"].items()
        if name != ground and count >= images and median_of(records, "values", name) >= good
    }
    ragged = sorted((name for name, gap in gaps.items() if gap > below), key=lambda name: -gaps[name])
    if not ragged:
        return []
    name = ragged[0]
    iou, edge = median_of(records, "values", name), median_of(records, "boundary", name)
    data = run.recipe.data
    message = (
        f"The borders of {len(ragged)} of {len(gaps)} classes are ragged: {name!r} has an IoU of {iou:.1%} and a boundary F of "
        f"{edge:.1%}, at {data.size} px in training."
    )
    evidence = {
        "class": name, "classes": ragged, "iou": iou, "boundary": edge, "gap": iou - edge, "limit": below, "count": len(ragged),
        "total": len(gaps), "excess": (iou - edge) / below, "size": data.size, "eval_size": data.eval_size or data.size,
    }  # fmt: skip
    samples = worst_images(stored(run, "val"), name)
    return [Finding(rule="ragged_borders", severity="warn", message=message, evidence=evidence, samples=samples)]


_TWO = {"background": 0.95, "leaf": 0.85}
FIRES = (
    case(_TWO, boundary={"background": 0.9, "leaf": 0.5}, recipe={"data.size": 128, "data.eval_size": 192}),
    case(
        _TWO, boundary={"background": 0.6, "leaf": 0.5}, epochs=1, recipe={"model.decoder": {"name": "deeplabv3plus"}}
    ),
    case({"background": 0.97, "leaf": 0.9, "stem": 0.7}, boundary={"background": 0.9, "leaf": 0.6, "stem": 0.65}),
)
SILENT = (
    case(_TWO, boundary={"background": 0.9, "leaf": 0.8}),
    # The class itself is not found: its border is not the first concern.
    case({"background": 0.9, "leaf": 0.4}, boundary={"background": 0.85, "leaf": 0.1}),
    # Nothing but the background is found.
    case({"background": 0.9, "leaf": 0.0}, boundary={"background": 0.0, "leaf": 0.0}),
    # Small things have better borders than overlap.
    case({"background": 0.95, "leaf": 0.7}, boundary={"background": 0.97, "leaf": 0.9}),
    case(_TWO, boundary={"background": 0.9, "leaf": 0.5}, images=2),
)
