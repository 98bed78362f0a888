"""What it does
Finds a model that gives every validation image the same class: the recall of one class is all but 1 and that of every
other all but 0, in the last epochs.

Why it matters
It has learned nothing but which class is frequent, or its features have died. No score of it means anything.

Known problems
With very few images of the other classes a merely weak model can look so: each of at least two classes must have five.

Source
SPEC S5 (wrong head, dead units); what a constant output is worth: the prior of the classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snellen.rules.curves import told
from snellen.run import Run
from snellen.values import Finding

READS = ("recall",)


def collapsed(run: Run, *, all_: float = 0.98, none: float = 0.02, epochs: int = 2, least: int = 5) -> list[Finding]:
    """Find one class for everything.

    `all_`, `none`: recall of the one class and of the others; `epochs`: last epochs that must all show it; `least`:
    validation images that a class must have to count.
    """
    records = run.signals("recall")[-epochs:]
    names = {_only(record, all_, none, least) for record in records}
    name = names.pop() if len(names) == 1 else ""
    if not name:
        return []
    counts = {key: int(value) for key, value in records[-1]["counts"].items()}
    share = counts[name] / max(1, sum(counts.values()))
    message = (
        f"The model answers {name!r} to all of the {sum(counts.values())} validation images of {len(counts)} classes; "
        f"{share:.1%} of them are of that class."
    )
    evidence = {
        "class": name,
        "n": sum(counts.values()),
        "classes": len(counts),
        "share": share,
        "epochs": len(records),
        "lr": told(run, "optim.lr"),
    }
    return [Finding(rule="collapsed", severity="warn", message=message, evidence=evidence)]


def _only(record: Mapping[str, Any], all_: float, none: float, least: int) -> str:
    """The class that is answered to everything; "" where there is none."""
    known = {name: value for name, value in record["values"].items() if record["counts"][name] >= least}
    full = [name for name, value in known.items() if value >= all_]
    others = [value for name, value in known.items() if name not in full]
    return full[0] if len(full) == 1 and others and max(others) <= none else ""


def _epochs(*values: dict[str, float], n: int = 20) -> list[dict[str, object]]:
    return [{"meter": "recall", "stage": "all", "values": item, "counts": dict.fromkeys(item, n)} for item in values]


_DEAD = {"a": 0.0, "b": 1.0, "c": 0.0}
FIRES = (
    {"signals": _epochs(_DEAD, _DEAD, _DEAD), "recipe": {"optim.lr": 0.1}},
    {"signals": _epochs({"a": 0.9, "b": 0.9}, {"a": 0.0, "b": 1.0}, {"a": 0.0, "b": 1.0})},
    {"signals": _epochs({"a": 0.0, "b": 1.0})},
)
SILENT = (
    {"signals": _epochs({"a": 0.9, "b": 0.95, "c": 0.8})},
    # It has come back.
    {"signals": _epochs(_DEAD, {"a": 0.6, "b": 0.9, "c": 0.5})},
    # Another class each epoch: it is learning.
    {"signals": _epochs({"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0})},
    # Three images of the other classes.
    {"signals": _epochs({"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 0.0}, n=3)},
    {"signals": _epochs({"a": 1.0, "b": 0.1}, {"a": 1.0, "b": 0.1})},
)
