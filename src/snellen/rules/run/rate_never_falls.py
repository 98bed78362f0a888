"""What it does
Finds a last stage whose learning rate still stands at its peak when it ends, where no average of the weights is kept, a typical
step of the last epoch still moves a section of the trunk by a thousandth of its size or more, and validation costs more than a tenth
of guessing.

Why it matters
At a rate that does not fall the weights end wherever the last steps threw them, and their distance from the minimum is set by the
rate. A rate that falls to zero, or an average of the last weights, takes that noise out for nothing.

Known problems
Stages of fewer than three epochs and those that were ended early are not judged, nor is a schedule that waits for validation. Where
gradients have died away a high rate moves nothing, and there is no finding. What the noise cost is not measured: a trial tells it.

Source
SPEC L5, S5. M. Li, E. Yumer, D. Ramanan, arXiv:1905.04753 (a rate that falls to zero is the better one at any length of training);
A. Defazio et al., arXiv:2310.07831; averages do the same: B. Polyak, A. Juditsky 1992. A thousandth in a step is usual: CS231n.
"""

from __future__ import annotations

from typing import Any

from snellen.catalog import MissingSignal
from snellen.rules.curves import Record, among_classes, last_stage, needed, numbers, unlearned
from snellen.run import Run
from snellen.shelf import SCHEDULES
from snellen.values import Finding


def rate_never_falls(
    run: Run, *, share: float = 0.9, epochs: int = 3, step: float = 1e-3, left: float = 0.1
) -> list[Finding]:
    """Find a last stage that ends at its peak rate.

    `share`: of the stage's peak rate that stands at its end. `epochs`: fewest of the stage. `step`: norm of a step over norm of the
    weights in the section that moves most. `left`: share of the loss of guessing that validation must still cost.
    """
    if not run.knows("stages") or not run.knows("train.ema"):
        raise MissingSignal("the schedule, and whether weights are averaged")
    rates, stage = last_stage(run.signals("rate")), run.recipe.stages[-1]
    whole = rates[0]["stage"] == stage.name and len(rates) >= max(epochs, stage.epochs)
    if not whole or run.recipe.train.ema > 0 or _waits(stage.schedule.name) or not among_classes(run):
        return []
    losses, peak, last = run.signals("loss"), max(numbers(rates, "peak")), float(rates[-1]["lr"])
    needed(losses, "val")
    val, (section, moved) = numbers(losses, "val")[-1], _moves(run.signals("update")[-1])
    if last < share * peak or moved < step or not val > left * unlearned(run):
        return []
    message = (
        f"The rate of stage {stage.name!r} never fell: it ended at {last / peak:.0%} of its peak of {peak:.2g}, and no average of the "
        f"weights is kept. A step of the last epoch moves section {section!r} by {moved:.2%} of its size, and validation costs {val:.2f}."
    )
    evidence = {
        "stage": stage.name, "schedule": stage.schedule.name, "lr": last, "peak": peak, "share": last / peak, "limit": share,
        "section": section, "moved": moved, "val": val, "epochs": len(rates),
    }  # fmt: skip
    return [Finding(rule="rate_never_falls", severity="warn", message=message, evidence=evidence)]


def _waits(schedule: str) -> bool:
    """Whether a schedule lowers the rate only when validation stands still: it may have had no reason to."""
    return schedule in SCHEDULES.names() and bool(SCHEDULES.constant(schedule, "READS_SCORES"))


def _moves(record: Record) -> tuple[str, float]:
    """The section of the trunk that moves most in a step, and by how much; ("", 0) where the head alone is trained."""
    groups = {name: float(value) for name, value in record["groups"].items() if name != "head"}
    section = max(groups, key=lambda name: groups[name], default="")
    return section, groups.get(section, 0.0)


def _case(
    rates: list[float], changes: dict[str, Any] | None = None, *, moved: float = 0.005, val: float = 0.4
) -> dict[str, Any]:
    """A stage of all layers at these shares of a rate of 1e-3."""
    stage = {"name": "all", "unfreeze": "all", "epochs": len(rates), "schedule": {"name": "constant"}}
    groups = {"stage3": moved / 2, "stage4": moved, "head": 0.02}
    signals: list[dict[str, Any]] = [{"meter": "rate", "lr": 1e-3 * x, "peak": 1e-3 * x} for x in rates]
    signals += [{"meter": "update", "groups": groups, "n": 2} for _ in rates]
    signals += [{"meter": "loss", "train": 0.2, "val": val} for _ in rates]
    return {"signals": signals, "recipe": {"train.ema": 0.0, "stages": [stage], **(changes or {})}}


_EIGHT = {"name": "all", "unfreeze": "all", "epochs": 8, "schedule": {"name": "constant"}}
_WAITING = {"name": "all", "unfreeze": "all", "epochs": 4, "schedule": {"name": "plateau"}}
FIRES = (
    _case([1.0, 1.0, 1.0, 1.0]),
    # A warm-up as long as the stage.
    _case([0.3, 0.6, 1.0]),
)
SILENT = (
    _case([1.0, 0.8, 0.4, 0.01]),
    # Averaged weights have no such noise.
    _case([1.0] * 4, {"train.ema": 0.99}),
    # Little is left to gain.
    _case([1.0] * 4, val=0.03),
    # The gradients have died away.
    _case([1.0] * 4, moved=1e-4),
    # Too short to say; and ended before the schedule was.
    _case([1.0, 1.0]),
    _case([1.0] * 4, {"stages": [_EIGHT]}),
    # Validation gave no reason to lower it.
    _case([1.0] * 4, {"stages": [_WAITING]}),
)
