"""What it does
Finds classes whose IoU on validation stays 20 points below the mean over classes through the last epochs, by more than chance:
the interval of the class's IoU over images must lie below the mean.

Why it matters
A good mean hides a class that the model does not know. More of its images, crops that hold it, or a loss that does not forget
it help that class.

Known problems
IoU punishes small and thin things: two pixels around a lamp post halve it. Classes that are hardly ever predicted are the
business of background_takes_all. With fewer than three images a class is not judged.

Source
SPEC S2, T3; interval by the delta method (Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6).
"""

from __future__ import annotations

from snellen.rows import Statistics
from snellen.rules.curves import stored
from snellen.rules.overlaps import Record, case, end_of, median_of, spread_of, statistics, worst_images
from snellen.run import Run
from snellen.values import Finding

READS = ("overlap",)


def weak_overlap(
    run: Run,
    *,
    below: float = 0.2,
    epochs: int = 3,
    images: int = 3,
    said: float = 0.2,
    errors: float = 1.64,
    least: float = 0.3,
) -> list[Finding]:
    """Find weak classes, worst first; `samples` are the images with most of the class's pixels wrong.

    `below`: distance to the mean IoU in each of the last `epochs`. `errors`: standard errors that the class must stay below the
    mean. `said`: classes that are predicted less than this share of their pixels are left out. `least`: mean IoU below which
    the classes differ by accident.
    """
    records = end_of(run, epochs)
    rows = stored(run, "val")
    if records[-1]["val"] < least:
        return []
    found = []
    for name, iou in records[-1]["values"].items():
        if not all(name in record["values"] and record["values"][name] < record["val"] - below for record in records):
            continue
        error = spread_of(rows, name) if isinstance(rows, Statistics) and name in rows.classes else 0.0
        enough = records[-1]["counts"][name] >= images and iou + errors * error < records[-1]["val"]
        if enough and median_of(records, "predicted", name) >= said * records[-1]["wanted"][name]:
            found.append((iou, _finding(run, name, records[-1], error, below)))
    return [finding for _, finding in sorted(found, key=lambda item: item[0])]


def _finding(run: Run, name: str, record: Record, error: float, below: float) -> Finding:
    iou, mean, n, pixels = (
        float(record[key][name]) if key else float(record["val"]) for key in ("values", "", "counts", "wanted")
    )
    message = (
        f"Class {name!r} stays weak: IoU {iou:.1%} against a mean of {mean:.1%} (standard error {error:.1%}); "
        f"{n:.0f} validation images hold it, with {pixels:.2%} of the pixels."
    )
    evidence = {
        "class": name, "iou": iou, "mean": mean, "n": n, "pixels": pixels, "below": mean - iou, "limit": below,
        "excess": (mean - iou) / below, "standard_error": error, "loss": run.recipe.loss.name,
    }  # fmt: skip
    rows = stored(run, "val")
    samples = worst_images(rows, name) if isinstance(rows, Statistics) else ()
    return Finding(rule="weak_overlap", severity="warn", message=message, evidence=evidence, samples=samples)


_THREE = {"background": 0.95, "cup": 0.8, "key": 0.3}
FIRES = (
    case(_THREE),
    case(_THREE, statistics=statistics(_THREE), recipe={"loss": {"name": "pixel_cross_entropy"}}),
    case({"road": 0.9, "car": 0.85, "post": 0.45, "rider": 0.5}, epochs=1),
)
SILENT = (
    case({"background": 0.95, "cup": 0.8, "key": 0.7}),
    # Two images are no evidence.
    case(_THREE, images=2),
    # Its images differ so much that it may be chance.
    case(_THREE, statistics=statistics(_THREE, images=4, spread=4.0)),
    # Not said at all: another rule's business.
    case(_THREE, predicted={"background": 0.6, "cup": 0.39, "key": 0.01}),
    # The model knows nothing yet.
    case({"background": 0.5, "cup": 0.1, "key": 0.02}),
)
