"""Throughput of training, and what evaluation costs."""

from __future__ import annotations

from typing import Any


def speed(epoch: Any) -> dict[str, Any]:
    """Images per second over the epoch's steps, seconds of the steps and of the evaluation, and how many of the steps' seconds
    went into making batches."""
    images = sum(step["n"] for step in epoch.steps)
    return {
        "images_per_second": images / max(epoch.seconds, 1e-9),
        "seconds": epoch.seconds,
        "waiting_seconds": sum(step.get("waited", 0.0) for step in epoch.steps),
        "evaluation_seconds": epoch.evaluation_seconds,
    }
