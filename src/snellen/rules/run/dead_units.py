"""What it does
Finds a section of the network in which half or more of the units are dead at the end of a stage: their activation was above 0
on no place of any of the training images that were looked at, and the training loss is still above half of guessing.

Why it matters
A dead unit passes nothing on and gets no gradient, so that it stays dead. What is left of the section learns with a part of
its width. A step that was too long, a bad start or a missing normalisation are the usual causes.

Known problems
Pretrained networks have units for what these images do not show; they rest rather than are dead, and the loss falls all the same,
which is why only networks that have not learned are judged. Activations that the network calls as functions are not seen.

Source
SPEC S5; L. Lu et al., arXiv:1903.06733 (dying ReLU); X. Glorot, A. Bordes, Y. Bengio 2011 (AISTATS).
"""

from __future__ import annotations

from typing import Any

from snellen.rules.curves import last_stage, numbers, told, unlearned
from snellen.run import Run
from snellen.values import Finding

READS = ("units",)


def dead_units(run: Run, *, share: float = 0.5, least: int = 16, loss: float = 0.5) -> list[Finding]:
    """Find the section with the largest share of dead units, as it was looked at last.

    `share`: of the section's units. `least`: units that a section must have. `loss`: share of the loss of guessing above
    which a model has not learned.
    """
    last = run.signals("units")[-1]
    train = numbers(last_stage(run.signals("loss")), "train")
    if not train or not train[-1] > loss * unlearned(run):
        return []
    shares = {name: float(value) for name, value in last["dead"].items() if last["units"][name] >= least}
    section = max(shares, key=lambda name: shares[name], default="")
    if not section or shares[section] < share:
        return []
    message = (
        f"{shares[section]:.0%} of the {last['units'][section]} units of section {section!r} are dead: they answered to none of "
        f"{last['n']} training images (limit {share:.0%}), and the training loss is still {train[-1]:.2f}."
    )
    evidence = {
        "section": section, "share": shares[section], "units": last["units"][section], "n": last["n"], "limit": share,
        "excess": shares[section] / share, "shares": shares, "train": train[-1], "stage": last["stage"],
        "lr": told(run, "optim.lr"),
    }  # fmt: skip
    return [Finding(rule="dead_units", severity="warn", message=message, evidence=evidence)]


def _run(dead: dict[str, float], train: float, units: int = 256) -> list[dict[str, Any]]:
    return [
        {"meter": "loss", "stage": "all", "train": train, "val": train},
        {"meter": "units", "stage": "all", "dead": dead, "units": dict.fromkeys(dead, units), "n": 64},
    ]


FIRES = (
    {"signals": _run({"stage1": 0.1, "stage4": 0.97}, 0.69), "recipe": {"optim.lr": 0.1}},
    {"signals": _run({"stage2": 0.5}, 0.5)},
)
SILENT = (
    {"signals": _run({"stage1": 0.02, "stage4": 0.3}, 0.69)},
    # It has learned: what rests is not missed.
    {"signals": _run({"stage1": 0.02, "stage4": 0.7}, 0.1)},
    # A handful of units.
    {"signals": _run({"stage1": 0.9}, 0.69, units=8)},
)
