"""What it does
Reports the step at which a loss, a gradient or a metric was no longer a finite number, and the samples of that batch.

Why it matters
From that step on every weight can be NaN; training was stopped there, so that the last good weights are kept, or the
autopilot went back to them.

Known problems
The batch where it was seen is not always the one that caused it: weights can grow for many steps before.

Source
SPEC S5; the meter `nonfinite` checks every step.
"""

from __future__ import annotations

from snellen.rules.curves import optional, told
from snellen.run import Run
from snellen.values import Finding, Severity


def nonfinite(run: Run) -> list[Finding]:
    """Find the stop; raises MissingSignal where the run recorded nothing at all."""
    seen = optional(run, "nonfinite")
    if not seen:
        # The meter writes only when it happens: silence counts only where other meters have spoken.
        run.signals("loss")
        return []
    first = seen[0]
    samples = tuple(first.get("samples", ()))
    size = first.get("size", len(samples))
    place = f" in {first['tensor']}" if first.get("tensor") else ""
    # Another tool's log neither names the step and its batch nor says that its training stopped.
    of = first.get("of")
    flown = of is None and bool(told(run, "train.autopilot"))
    end = ("flown" if flown else "stopped") if of is None else "went_on" if of > first["epoch"] else "ended"
    where = {
        "stopped": f"at step {first['step']} of stage {first['stage']!r}, epoch {first['epoch']}; training stopped there. "
        f"{len(samples)} samples of the batch of {size} are named.",
        "flown": f"at step {first['step']} of stage {first['stage']!r}, epoch {first['epoch']}; the autopilot answered. "
        f"{len(samples)} samples of the batch of {size} are named.",
        "went_on": f"in epoch {first['epoch']} of {of}; the training went on all the same.",
        "ended": f"in epoch {first['epoch']}, with which the log ends.",
    }[end]
    message = f"The {first['what']}{place} was not a finite number {where}"
    evidence = {
        "what": first["what"],
        "tensor": first.get("tensor", ""),
        "step": first["step"],
        "stage": first["stage"],
        "epoch": first["epoch"],
        "n": len(samples),
        "size": size,
        "of": of,
        "seen": end,
        "precision": str(run.environment.get("precision", told(run, "train.precision") or "")),
        "lr": told(run, "optim.lr"),
    }
    # Where the autopilot went back and training came to its end, the weights that were kept are whole.
    mended = flown and not any(item["action"] == "stop" for item in optional(run, "autopilot"))
    severity: Severity = "warn" if mended else "block"
    return [Finding(rule="nonfinite", severity=severity, message=message, evidence=evidence, samples=samples)]


_STOP = {
    "meter": "nonfinite",
    "stage": "all",
    "epoch": 3,
    "step": 41,
    "what": "loss",
    "samples": ["s1", "s2"],
    "tensor": "",
}
# As another tool's log tells it: without step and batch.
_LOGGED = {"meter": "nonfinite", "stage": "all", "epoch": 3, "step": 2, "what": "loss", "samples": [], "tensor": ""}
FIRES = (
    {"signals": [_STOP], "cost": {"stopped": "nonfinite"}},
    {
        "signals": [
            {"meter": "loss", "stage": "head", "train": 0.7, "val": 0.8},
            {**_STOP, "what": "gradient", "tensor": "blocks.5.conv_pw.weight", "samples": []},
        ],
        "recipe": {"train.precision": "bf16"},
    },
    {"signals": [{**_STOP, "what": "metric", "epoch": 1, "step": 1}], "recipe": {"optim.lr": 0.5, "optim.clip": None}},
    {"signals": [_STOP], "recipe": {"train.autopilot": True}},
    {"signals": [{**_LOGGED, "of": 9}]},
    {"signals": [{**_LOGGED, "of": 3}]},
)
SILENT = (
    {"signals": [{"meter": "loss", "stage": "all", "train": 0.7, "val": 0.8}]},
    {"signals": [{"meter": "loss", "stage": "all", "train": 5.0, "val": 80.0, "running": 9.0}]},
)
