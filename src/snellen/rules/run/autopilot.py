"""What it does
Tells what the autopilot did while the run was trained: which rule spoke, what was changed, to which weights it went back, and
what the weights that were kept in the end are worth beside them.

Why it matters
A training that was steered is not the one that its recipe describes. Whoever reads its score must know what was changed on the
way, and what that brought.

Known problems
The score after is never lower than the score before, because the weights that are kept only change for the better on
validation. That they improved does not prove that the change was needed: for that, a remedy is tried against doing nothing.

Source
SPEC S5, S6; train/pilot writes the signal `autopilot`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from snellen.rules.curves import optional
from snellen.run import Run
from snellen.values import Finding

ASKED = {
    "back": "rule {rule} spoke in epoch {epoch} of stage {stage!r}, step {step}: back to the weights of epoch {to} ({metric} "
    "{score:.4g}), and on with {change}. What was kept from then on reached {end:.4g} ({gain:+.4g}).",
    "stop": "rule {rule} spoke in epoch {epoch} of stage {stage!r}, step {step}, and training was ended; the weights of epoch {to} "
    "({metric} {score:.4g}) are kept.",
}


def autopilot(run: Run) -> list[Finding]:
    """One finding for each time that it acted; raises MissingSignal where the run recorded nothing at all."""
    acts = optional(run, "autopilot")
    if not acts:
        run.signals("loss")
        return []
    # What each act brought is known at the next one, and of the last when training has ended.
    ends = [float(act["score"]) for act in acts[1:]] + [_final(run, acts)]
    return [_finding(act, end) for act, end in zip(acts, ends, strict=True)]


def _final(run: Run, acts: Sequence[Mapping[str, Any]]) -> float:
    known = run.cost.get("score") if run.done else None
    return float(acts[-1]["score"] if known is None else known)


def _finding(act: Mapping[str, Any], end: float) -> Finding:
    remedy, before = act.get("remedy") or {}, act.get("before") or {}
    patch = remedy.get("patch") or {}
    change = ", ".join(f"{key} {_said(before.get(key))} → {_said(value)}" for key, value in patch.items())
    evidence = {
        "action": act["action"], "rule": act["finding"]["rule"], "epoch": act["epoch"], "stage": act["stage"], "step": act["step"],
        "to": act["to"], "metric": act["metric"], "score": float(act["score"]), "change": change, "end": end,
        "gain": end - float(act["score"]), "remedy": remedy.get("name", ""),
    }  # fmt: skip
    return Finding(
        rule="autopilot",
        severity="info",
        message=f"Autopilot: {ASKED[act['action']].format(**evidence)}",
        evidence=evidence,
    )


def _said(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _act(action: str, epoch: int, score: float) -> dict[str, Any]:
    remedy = {"name": "lower_lr", "finding": "diverging", "patch": {"optim.lr": 2e-4}}
    return {
        "meter": "autopilot", "stage": "all", "epoch": epoch, "step": 10 * epoch, "action": action,
        "finding": {"rule": "diverging", "severity": "warn", "message": "it rose to 9"},
        "remedy": remedy if action == "back" else None, "before": {"optim.lr": 0.05} if action == "back" else {},
        "to": epoch - 1, "score": score, "metric": "accuracy",
    }  # fmt: skip


_LOSS = {"meter": "loss", "stage": "all", "train": 0.7, "val": 0.8, "running": 0.9}
FIRES = (
    {"signals": [_LOSS, _act("back", 2, 0.61), _LOSS], "cost": {"score": 0.83}},
    {"signals": [_LOSS, _act("back", 2, 0.61), _act("stop", 3, 0.61)], "cost": {"score": 0.61, "stopped": "diverging"}},
)
SILENT = ({"signals": [_LOSS, _LOSS]},)
