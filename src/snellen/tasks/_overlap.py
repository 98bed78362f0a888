"""Scores of masks, from the counts of stored rows: pure functions of sums over images, no torch.

Every score is a smooth function of sums. So its interval comes from images drawn anew (Efron 1979), and its share of each
image from the function's slope (the influence values of the delta method; Efron 1982, chapter 6): their mean is the score,
exactly, and two arms are paired by them image by image. None means that a score is not defined for these rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from snellen.rows import Statistics
from snellen.tasks._pixels import TEMPERATURES

# Sums by column, [..., k]; the last axis is the class.
Sums = Mapping[str, np.ndarray]
DRAWS = 1000
COUNTS = ("both", "predicted", "wanted", "edge_predicted", "edge_predicted_hit", "edge_wanted", "edge_wanted_hit")


def iou(sums: Sums) -> np.ndarray:
    """Intersection over union of every class; NaN where it has no wanted pixel."""
    return _ratio(sums["both"], sums["predicted"] + sums["wanted"] - sums["both"], sums["wanted"])


def dice(sums: Sums) -> np.ndarray:
    """Twice the intersection over both areas, of every class; NaN where it has no wanted pixel."""
    return _ratio(2 * sums["both"], sums["predicted"] + sums["wanted"], sums["wanted"])


def boundary(sums: Sums) -> np.ndarray:
    """Harmonic mean of the shares of predicted and of wanted edge that are hit; NaN where a class has no edge."""
    precision = _ratio(sums["edge_predicted_hit"], sums["edge_predicted"], sums["edge_predicted"], empty=0.0)
    recall = _ratio(sums["edge_wanted_hit"], sums["edge_wanted"], sums["edge_wanted"])
    both = precision + recall
    return np.where(
        both > 0, 2 * precision * recall / np.where(both > 0, both, 1), np.where(np.isnan(recall), np.nan, 0.0)
    )


def _ratio(above: np.ndarray, below: np.ndarray, there: np.ndarray, *, empty: float = np.nan) -> np.ndarray:
    return np.where(there > 0, above / np.where(below > 0, below, 1), empty)


def accuracy(sums: Sums) -> np.ndarray:
    """Share of labelled pixels whose class is right, [...]."""
    return np.asarray(sums["both"].sum(axis=-1) / np.maximum(sums["wanted"].sum(axis=-1), 1))


# Those that are the mean over classes of something.
BY_CLASS: dict[str, Callable[[Sums], np.ndarray]] = {"miou": iou, "dice": dice, "boundary_f": boundary}


def score(rows: Statistics, metric: str) -> float | None:
    """One metric of stored rows, more is better (of the losses: their negative)."""
    values = {"image_iou": rows["share"], "log_loss": -rows["loss"]}
    if metric in values:
        return float(values[metric].mean())
    if metric == "calibrated_log_loss":
        return float(calibrated(rows).mean())
    return _known(_pooled(metric, sums_of(rows)))


def _pooled(metric: str, sums: Sums) -> np.ndarray:
    """The metric of sums, [...]; NaN where no class has it."""
    if metric == "pixel_accuracy":
        return accuracy(sums)
    values = BY_CLASS[metric](sums)
    there = np.isfinite(values)
    total = np.where(there, values, 0.0).sum(axis=-1)
    return np.where(there.any(axis=-1), total / np.maximum(there.sum(axis=-1), 1), np.nan)


def sums_of(rows: Statistics, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Sums over images, [k]; with weights [draws, n], [draws, k]."""
    return {name: rows[name].sum(axis=0) if weights is None else weights @ rows[name] for name in COUNTS}


def paired(rows: Statistics, metric: str) -> np.ndarray:
    """Values [n] whose mean is the metric."""
    if metric == "image_iou":
        return rows["share"]
    if metric == "log_loss":
        return -rows["loss"]
    if metric == "calibrated_log_loss":
        return calibrated(rows)
    sums = sums_of(rows)
    n = len(rows.ids)
    # The slope is taken numerically, by a step so small in proportion that it is exact to ten digits: one formula for all.
    values = np.full(n, float(_pooled(metric, sums)))
    for name in COUNTS:
        for number in np.flatnonzero(sums[name]):
            step = 1e-5 * sums[name][number]
            ends = []
            for sign in (1, -1):
                moved = {key: value.astype(np.float64).copy() for key, value in sums.items()}
                moved[name][number] += sign * step
                ends.append(float(_pooled(metric, moved)))
            values += (ends[0] - ends[1]) / (2 * step) * (n * rows[name][:, number] - sums[name][number])
    return values


def calibrated(rows: Statistics) -> np.ndarray:
    """The negative loss [n] of each image at the best temperature of the other half of the images, halved by id."""
    half = np.asarray([bool(hashlib.blake2b(name.encode(), digest_size=1).digest()[0] & 1) for name in rows.ids])
    values, plain = np.zeros(len(rows.ids)), TEMPERATURES.index(1.0)
    for part in (False, True):
        own, other = half == part, half != part
        best = int(rows["losses"][other].mean(axis=0).argmin()) if other.any() else plain
        values[own] = -rows["losses"][own, best]
    return values


def measure(rows: Statistics, *, seed: int = 0, level: float = 0.95) -> dict[str, dict[str, Any]]:
    """Every metric with its interval over images: {metric: {"value", "low", "high", "n", "level", "draws"}}; IoU and Dice of
    each class as iou_<class> and dice_<class>. The losses are positive here: less is better."""
    n = len(rows.ids)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(np.float64)
    whole, drawn = sums_of(rows), sums_of(rows, weights)
    found = {name: (_pooled(name, whole), _pooled(name, drawn)) for name in (*BY_CLASS, "pixel_accuracy")}
    for name, values in (("image_iou", rows["share"]), ("log_loss", rows["loss"])):
        found[name] = (values.mean(), weights @ values / n)
    for kind, function in (("iou", iou), ("dice", dice)):
        own, others = function(whole), function(drawn)
        found |= {f"{kind}_{name}": (own[place], others[:, place]) for place, name in enumerate(rows.classes)}
    return {name: _told(value, draws, n, level) for name, (value, draws) in found.items()}


def _told(value: Any, draws: np.ndarray, n: int, level: float) -> dict[str, Any]:
    known = draws[np.isfinite(draws)]
    about = {"n": n, "level": level, "draws": len(known)}
    if _known(value) is None:
        return {"value": None, "low": None, "high": None, **about}
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return {"value": float(value), "low": float(low), "high": float(high), **about}


def _known(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def constant_answer(rows: Statistics) -> Statistics:
    """The rows of a model that says the most frequent class of these images everywhere."""
    largest = int(rows["wanted"].sum(axis=0).argmax())
    columns = dict(rows.columns)
    for name in ("both", "predicted", "edge_predicted", "edge_predicted_hit", "edge_wanted_hit"):
        columns[name] = np.zeros_like(rows[name])
    columns["predicted"][:, largest] = rows["wanted"].sum(axis=1)
    columns["both"][:, largest] = rows["wanted"][:, largest]
    there = (columns["predicted"] + rows["wanted"]) > 0
    either = np.maximum(columns["predicted"] + rows["wanted"] - columns["both"], 1)
    columns["share"] = (columns["both"] / either * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    # What a sure answer that is wrong costs is capped as probabilities are: at 1e-6 for each other class.
    wrong = 1 - rows["wanted"][:, largest] / np.maximum(rows["wanted"].sum(axis=1), 1)
    columns["loss"] = -np.log(1e-6) * wrong
    return Statistics(rows.task, rows.ids, columns, rows.classes, rows.fixed)
