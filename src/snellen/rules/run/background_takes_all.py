"""What it does
Finds classes that the model hardly ever says: over the last epochs it predicts less than a fifth of the pixels that a class
has, while another class (mostly the background) is predicted on more pixels than it has.

Why it matters
Where nearly all pixels are background, saying nothing else is cheap: pixel accuracy is high and the loss low, and the class
that one came for is not found at all. A loss that weighs classes by their overlap, and crops that hold the rare ones, mend it.

Known problems
In the first epochs of a healthy training it looks the same; only the end is judged. A class with fewer than three images
on validation is not judged.

Source
SPEC T5, S5; Sudre et al. 2017, Generalised Dice overlap, arXiv:1707.03237 (collapse to background).
"""

from __future__ import annotations

from snellen.rules.curves import stored
from snellen.rules.overlaps import case, end_of, median_of, worst_images
from snellen.run import Run
from snellen.values import Finding

READS = ("overlap",)


def background_takes_all(run: Run, *, said: float = 0.2, epochs: int = 3, images: int = 3) -> list[Finding]:
    """Find the classes that are said on less than the share `said` of their pixels; one finding for all of them."""
    records = end_of(run, epochs)
    last = records[-1]
    ratios = {
        name: median_of(records, "predicted", name) / share
        for name, share in last["wanted"].items()
        if share > 0 and last["counts"][name] >= images
    }
    lost = sorted((name for name, ratio in ratios.items() if ratio < said), key=lambda name: ratios[name])
    taker = max(ratios, key=lambda name: median_of(records, "predicted", name) - last["wanted"][name], default="")
    if not lost or taker in lost:
        return []
    pixels = sum(last["wanted"][name] for name in lost)
    message = (
        f"{len(lost)} of {len(ratios)} classes are hardly ever predicted ({', '.join(lost[:5])}): {lost[0]!r} on "
        f"{ratios[lost[0]]:.0%} of the pixels that it has. {taker!r} is predicted instead."
    )
    evidence = {
        "classes": lost, "class": lost[0], "ratio": ratios[lost[0]], "taker": taker, "pixels": pixels, "count": len(lost),
        "total": len(ratios), "limit": said, "loss": run.recipe.loss.name,
    }  # fmt: skip
    rows = stored(run, "val")
    samples = worst_images(rows, lost[0])
    return [Finding(rule="background_takes_all", severity="warn", message=message, evidence=evidence, samples=samples)]


_RARE = {"background": 0.95, "cup": 0.05}
FIRES = (
    case({"background": 0.95, "cup": 0.0}, wanted=_RARE, predicted={"background": 1.0, "cup": 0.0}),
    case(
        {"background": 0.9, "cup": 0.6, "key": 0.02}, wanted={"background": 0.8, "cup": 0.15, "key": 0.05},
        predicted={"background": 0.85, "cup": 0.149, "key": 0.001}, recipe={"loss": {"name": "pixel_cross_entropy"}},
    ),
    case({"sky": 0.9, "bird": 0.05}, wanted={"sky": 0.9, "bird": 0.1}, predicted={"sky": 0.99, "bird": 0.01}, epochs=1),
)  # fmt: skip
SILENT = (
    case({"background": 0.98, "cup": 0.7}, wanted=_RARE),
    # Said too often, not too seldom.
    case({"background": 0.9, "cup": 0.3}, wanted=_RARE, predicted={"background": 0.85, "cup": 0.15}),
    # Two images say nothing.
    case({"background": 0.95, "cup": 0.0}, wanted=_RARE, predicted={"background": 1.0, "cup": 0.0}, images=2),
    # Half of it is said.
    case({"background": 0.9, "cup": 0.4}, wanted=_RARE, predicted={"background": 0.975, "cup": 0.025}),
)
