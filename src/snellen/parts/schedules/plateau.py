"""Reduce on plateau: times `factor` whenever the task's metric has not risen for a while (SPEC L5: ×0.5).

The one schedule that needs to know how the training went, and still a pure function: of the progress and of the validation
scores of the stage's epochs so far. These are part of the training's state and of its checkpoints, so a resumed training
has the rates of an uninterrupted one. Nothing counts epochs behind the scenes; torch's ReduceLROnPlateau does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# Called with (progress, scores) instead of (progress).
READS_SCORES = True


def plateau(
    *, factor: float = 0.5, patience: int = 2, threshold: float = 0.0, floor: float = 0.01
) -> Callable[[float, Sequence[float]], float]:
    """Return f(progress in [0, 1], scores) -> multiplier in [floor, 1].

    `scores`: the metric after each epoch of the stage, more is better. After `patience` epochs in a row that did not exceed
    the best by more than `threshold`, the next one makes the rate fall, and counting begins anew.
    """

    def multiplier(progress: float, scores: Sequence[float]) -> float:
        best, waited, falls = float("-inf"), 0, 0
        for score in scores:
            waited = 0 if score > best + threshold else waited + 1
            best = max(best, score) if waited == 0 else best
            if waited > patience:
                falls, waited = falls + 1, 0
        return max(floor, factor**falls)

    return multiplier
