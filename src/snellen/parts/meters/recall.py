"""Recall of each class on validation (SPEC S2)."""

from __future__ import annotations

from typing import Any

TASKS = ("classification",)


def recall(epoch: Any) -> dict[str, Any]:
    """Recall 0..1 and number of validation samples by class name; classes without samples are left out."""
    rows = epoch.validation
    values, counts = {}, {}
    for index, name in enumerate(rows.classes):
        mask = rows.targets == index
        if mask.any():
            values[name], counts[name] = float(rows.correct[mask].mean()), int(mask.sum())
    return {"values": values, "counts": counts}
