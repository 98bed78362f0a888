"""What it does
Reports the step at which a loss, a gradient or a metric was no longer a finite number, and the samples of that batch.

Why it matters
From that step on every weight can be NaN; training was stopped there, so that the last good weights are kept.

Known problems
The batch where it was seen is not always the one that caused it: weights can grow for many steps before.

Source
SPEC S5; the meter `nonfinite` checks every step.
"""

from __future__ import annotations

from snellen.rules.curves import optional
from snellen.run import Run
from snellen.values import Finding


def nonfinite(run: Run) -> list[Finding]:
    """Find the stop; raises MissingSignal where the run recorded nothing at all."""
    seen = optional(run, "nonfinite")
    if not seen:
        # The meter writes only when it happens: silence counts only where other meters have spoken.
        run.signals("loss")
        return []
    first = seen[0]
    samples = tuple(first.get("samples", ()))
    place = f" in {first['tensor']}" if first.get("tensor") else ""
    message = (
        f"The {first['what']}{place} was not a finite number at step {first['step']} of stage {first['stage']!r}, "
        f"epoch {first['epoch']}; training stopped there. The batch held {len(samples)} samples."
    )
    recipe = run.recipe
    evidence = {
        "what": first["what"],
        "tensor": first.get("tensor", ""),
        "step": first["step"],
        "stage": first["stage"],
        "epoch": first["epoch"],
        "n": len(samples),
        "precision": str(run.environment.get("precision", recipe.train.precision)),
        "lr": recipe.optim.lr,
    }
    return [Finding(rule="nonfinite", severity="block", message=message, evidence=evidence, samples=samples)]


_STOP = {
    "meter": "nonfinite",
    "stage": "all",
    "epoch": 3,
    "step": 41,
    "what": "loss",
    "samples": ["s1", "s2"],
    "tensor": "",
}
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
)
SILENT = (
    {"signals": [{"meter": "loss", "stage": "all", "train": 0.7, "val": 0.8}]},
    {"signals": [{"meter": "loss", "stage": "all", "train": 5.0, "val": 80.0, "running": 9.0}]},
)
