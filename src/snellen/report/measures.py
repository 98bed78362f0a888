"""What the page works out of stored rows: precision, recall and F1 of each class, confusion, calibration. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snellen.rows import Predictions

BINS = 15
Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class ClassRecall:
    """Recall of one class with its Wilson 95 % interval; `value` is None where the class has no rows."""

    name: str
    value: float | None
    low: float
    high: float
    count: int


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Of one class: `recall` (right of the `count` rows that are of it) and `precision` (right of the `said` rows that were taken
    for it) as (value, low, high) with Wilson 95 % intervals, None where there is no such row; `f1` = 2 right / (count + said)."""

    name: str
    count: int
    said: int
    precision: tuple[float, float, float] | None
    recall: tuple[float, float, float] | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows whose highest probability falls in one of equal-width bins: mean confidence, accuracy, count."""

    middle: float
    confidence: float
    accuracy: float
    count: int


def confusion(rows: Predictions) -> np.ndarray:
    """Counts [k, k]: row = target, column = predicted."""
    size = len(rows.classes)
    matrix = np.zeros((size, size), dtype=np.int64)
    np.add.at(matrix, (rows.targets, rows.predicted), 1)
    return matrix


def recalls(rows: Predictions) -> list[ClassRecall]:
    """Recall of every class, in class order."""
    matrix = confusion(rows)
    found = []
    for index, name in enumerate(rows.classes):
        right, count = int(matrix[index, index]), int(matrix[index].sum())
        low, high = wilson(right, count)
        found.append(ClassRecall(name, right / count if count else None, low, high, count))
    return found


def by_class(rows: Predictions) -> list[ClassScores]:
    """Precision, recall and F1 of every class, in class order."""
    matrix = confusion(rows)
    found = []
    for right, count, said, name in zip(
        matrix.diagonal().tolist(), matrix.sum(axis=1).tolist(), matrix.sum(axis=0).tolist(), rows.classes, strict=True
    ):
        precision, recall = ((right / n, *wilson(right, n)) if n else None for n in (said, count))
        f1 = 2 * right / (count + said) if count + said else None
        found.append(ClassScores(name, count, said, precision, recall, f1))
    return found


def wilson(right: int, count: int) -> tuple[float, float]:
    """Wilson 95 % interval of a share (Wilson 1927, JASA 22:209); (0, 1) for no rows."""
    if not count:
        return 0.0, 1.0
    share, z2 = right / count, Z95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count) * np.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def calibration(rows: Predictions) -> tuple[list[Bin], float]:
    """Non-empty bins of 15 equal widths, and the expected calibration error (Guo et al. 2017, arXiv:1706.04599)."""
    confidence = rows.probabilities.max(axis=1).astype(np.float64)
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    found, error = [], 0.0
    for index in range(BINS):
        inside = place == index
        count = int(inside.sum())
        if count:
            mean, right = float(confidence[inside].mean()), float(rows.correct[inside].mean())
            found.append(Bin((index + 0.5) / BINS, mean, right, count))
            error += abs(right - mean) * count / len(confidence)
    return found, error
