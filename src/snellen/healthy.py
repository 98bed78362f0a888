"""Healthy runs, as cases: no run rule may complain of one of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from snellen.cases import Case


def _healthy(*stages: tuple[str, tuple[float, ...]], smoothing: float = 0.1, mixup: float = 0.0) -> Case:
    """A run on ten classes that goes well: validation a little above training, gradients falling slowly."""
    signals: list[dict[str, Any]] = []
    epoch = 0
    for stage, losses in stages:
        for place, train in enumerate(losses):
            epoch += 1
            val, at = train + 0.08, {"stage": stage, "epoch": epoch, "step": 20 * epoch}
            running = train + 4 * smoothing + (0.7 if mixup else 0.0)
            known, seen = 1 - 0.32 * train, 1 - 0.33 * val
            norm = (0.8 if stage == "head" else 3.0) * (0.5 + train / 2)
            decay = 0.5 * (1 + np.cos(np.pi * (place + 1) / len(losses)))
            recalls = {f"c{i}": min(1.0, max(0.0, seen + 0.06 * (((7 * i) % 5) - 2) / 2)) for i in range(10)}
            signals += [
                {"meter": "loss", **at, "train": train, "val": val, "running": min(running, 2.35)}
                | {"train_accuracy": known, "val_accuracy": seen},
                {"meter": "recall", **at, "values": recalls, "counts": dict.fromkeys(recalls, 12)},
                {"meter": "rate", **at, "lr": 2e-4 * float(decay), "peak": 2e-4},
                {"meter": "gradient", **at, "clipped": 0.4}
                | {
                    "total": {"mean": norm, "variance": (0.6 * norm) ** 2, "first": norm, "last": norm, "max": 3 * norm}
                },
            ]
    recipe = {"loss.settings.smoothing": smoothing, "augment.mixup": mixup}
    return {"signals": signals, "recipe": recipe, "catalog": {"target": [f"c{i % 10}" for i in range(40)]}}


# Runs that no run rule may complain of.
HEALTHY: tuple[Case, ...] = (
    _healthy(("head", (1.2, 0.9, 0.75, 0.7)), ("last", (0.55, 0.42)), ("all", (0.36, 0.3, 0.27, 0.25, 0.24, 0.24))),
    _healthy(("head", (0.6, 0.45)), ("all", (0.32, 0.29))),
    _healthy(("all", (0.7, 0.38, 0.3, 0.28))),
    _healthy(("all", (0.45, 0.28))),
    _healthy(("head", (0.9, 0.7, 0.62)), ("all", (0.55, 0.4, 0.31, 0.28, 0.27)), smoothing=0.1, mixup=0.4),
    _healthy(("head", (0.5,)), ("last", (0.3,)), ("all", (0.2, 0.16, 0.15)), smoothing=0.0),
)
