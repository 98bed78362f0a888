"""MMEngine's scalars.json and the older mmcv's *.log.json: one JSON object a line.

Source: mmengine/visualization/vis_backend.py, `LocalVisBackend`; mmcv/runner/hooks/logger/text.py, `TextLoggerHook`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from snellen.foreign.columns import role_of
from snellen.foreign.gather import By, Gather, finish
from snellen.foreign.head import Head
from snellen.foreign.lines import Trouble, lines, number
from snellen.foreign.reading import Reading

# What stands in a training line alone: a validation may tell a loss too.
TRAINING = ("iter", "memory", "lr")


def detect(head: Head) -> bool:
    """Lines that are objects, the first whole one with a step, an iteration or an epoch in it."""
    if not head.text.startswith("{"):
        return False
    first = head.text.split("\n", 1)[0]
    try:
        entry = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and any(key in entry for key in ("step", "iter", "epoch", "env_info", "exp_name"))


def read(head: Head) -> Reading:
    """Training lines name their epoch, or, of a training that counts iterations, their step; a validation line that does not is
    counted to what was trained before it."""
    trouble, columns = Trouble(), dict[str, str]()
    by: By = "epoch" if '"epoch"' in head.text else "step"
    gather, last = Gather(by, trouble), 1.0 if by == "epoch" else 0.0
    for entry in _entries(head, trouble):
        training = entry.get("mode") == "train" or ("mode" not in entry and any(key in entry for key in TRAINING))
        at = number(entry.get("epoch") if by == "epoch" else entry.get("step", entry.get("iter")))
        last = at if training and at is not None else last
        values = {}
        for name, value in entry.items():
            role = _role(name, training)
            found = number(value)
            if role is not None and found is not None and columns.setdefault(role, name) == name:
                values[role] = found
        if values:
            # The "step" of a validation may count epochs, or be the last of all.
            gather.add(values, last if at is None or (by == "step" and not training) else at)
    return finish(gather, path=head.path, format="MMEngine scalars", framework="mmengine", columns=columns)


def _role(name: str, training: bool) -> str | None:
    if training:
        return {"loss": "train", "lr": "lr", "grad_norm": "norm"}.get(name)
    role = role_of(name.rsplit("/", 1)[-1])
    return {"accuracy": "val_accuracy", "val_accuracy": "val_accuracy", "train": "val", "val": "val"}.get(role or "")


def _entries(head: Head, trouble: Trouble) -> Iterator[Mapping[str, Any]]:
    for line in lines(head.path, trouble):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            trouble("lines that are not JSON were left out")
            continue
        if isinstance(entry, dict):
            yield entry
        else:
            trouble("lines that are no objects were left out")
