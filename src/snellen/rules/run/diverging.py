"""What it does
Finds a stage whose training loss blew up: it rose to more than three times its lowest and above where the stage began,
or its first epoch already averaged more than any number of classes explains (above log of a million).

Why it matters
A step that is too long for the curvature throws the weights uphill, and every next step starts from a worse place. The
rate must come down before anything else of the run is judged.

Known problems
One batch with a wrong label or a broken image can do the same; then the gradient norm leaps in a single step. A log
that holds only the mean of an epoch hides a blow-up within it; with the autopilot the rule looks within epochs too, at the
means of a few hundred samples.

Source
SPEC S5; Goodfellow, Bengio & Courville 2016, Deep Learning, section 8.2.4 (cliffs), 11.4.1 (rate too high).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from snellen.rules.curves import BLOWN, Record, acted, by_stage, needed, numbers, told, unlearned
from snellen.run import Run
from snellen.values import Finding

# The autopilot goes back to the weights that were kept.
ACTS = "back"
SAID = {
    "leap": "rose to {value:.3g} in epoch {epoch}, from {before:.3g} at its lowest, and ended at {end:.3g}",
    "start": "averaged {value:.3g} in its first epoch and ended at {end:.3g}; guessing among a million classes costs {limit:.1f}",
}


def diverging(run: Run, *, leap: float = 3.0, above: float = 1.5, least: float = 0.25) -> list[Finding]:
    """Find the first stage that diverged.

    `leap`: how many times its lowest the loss rises to; `above`: how many times the stage's first; `least`: share of the
    loss of a model that has learned nothing. All must hold: a loss that is almost zero triples by itself.
    """
    records = run.signals("loss")
    needed(records, "train")
    floor = least * unlearned(run)
    for stage, items in by_stage(records):
        sign = _leaps(items, leap, above, floor) or (_starts(items) if run.knows("loss.name") else None)
        if sign:
            return [_finding(run, stage, sign)]
    return acted(run, "diverging")[:1]


def _curve(items: Sequence[Record]) -> list[tuple[int, float]]:
    # Training mode sees the blow-up in the epoch in which it happens; averaged weights see it later.
    key = "running" if numbers(items, "running") else "train"
    return [(int(item["epoch"]), float(item[key])) for item in items if item.get(key) is not None]


def _leaps(items: Sequence[Record], leap: float, above: float, floor: float) -> dict[str, Any] | None:
    curve = _curve(items)
    lowest = first = curve[0][1] if curve else 0.0
    for epoch, value in curve:
        if value > max(leap * lowest, above * first, floor) and first > 0:
            return {
                "sign": "leap",
                "value": value,
                "before": lowest,
                "epoch": epoch,
                "end": curve[-1][1],
                "limit": leap,
            }
        lowest = min(lowest, value)
    return None


def _starts(items: Sequence[Record]) -> dict[str, Any] | None:
    curve = _curve(items)
    if not curve or not curve[0][1] > BLOWN:
        return None
    return {"sign": "start", "value": curve[0][1], "epoch": curve[0][0], "end": curve[-1][1], "limit": BLOWN}


def _finding(run: Run, stage: str, sign: dict[str, Any]) -> Finding:
    message = f"Training diverged: the training loss of stage {stage!r} {SAID[sign['sign']].format(**sign)}."
    evidence = {**sign, "stage": stage, "lr": told(run, "optim.lr"), "clip": told(run, "optim.clip")}
    return Finding(rule="diverging", severity="warn", message=message, evidence=evidence)


def _run(running: list[float], stage: str = "all") -> list[dict[str, Any]]:
    return [{"meter": "loss", "stage": stage, "train": x, "val": x, "running": x} for x in running]


FIRES = (
    {"signals": _run([2.1, 1.4, 9.0, 4.0]), "recipe": {"optim.lr": 0.05}},
    # It came back, but not to where it was.
    {"signals": _run([2.3, 0.9, 0.6, 6.0, 2.4, 2.3]), "recipe": {"optim.clip": None}},
    {"signals": _run([4e5, 16.0, 3.2, 2.9])},
    {"signals": _run([0.9, 0.7], "head") + _run([0.8, 2.9], "all")},
    # Within an epoch that the autopilot did not let end.
    {
        "signals": [
            *_run([2.1, 1.4, 0.9]),
            {"meter": "autopilot", "stage": "all", "epoch": 2}
            | {
                "finding": {
                    "rule": "diverging",
                    "severity": "warn",
                    "message": "Training diverged: it rose to 9 in epoch 2.",
                    "evidence": {"sign": "leap", "value": 9.0, "before": 1.4, "epoch": 2, "end": 9.0, "stage": "all"},
                }
            },
        ]
    },
)
SILENT = (
    {"signals": _run([2.2, 1.1, 0.6, 0.4, 0.35])},
    # Almost zero: it triples within its noise.
    {"signals": _run([0.9, 0.02, 0.005, 0.03, 0.004])},
    # A stage that begins where training has been learned by heart.
    {"signals": _run([0.05, 0.02, 0.08, 0.03], "all")},
    # A warm restart.
    {"signals": _run([2.0, 1.0, 0.6, 0.5, 0.9, 0.6, 0.45])},
    # A stage with mixes begins higher than the stage before ended.
    {"signals": _run([0.8, 0.3], "head") + _run([1.5, 1.4, 1.3], "all")},
    # A sum of losses of a detector, falling.
    {"signals": _run([13.0, 9.0, 7.5])},
)
