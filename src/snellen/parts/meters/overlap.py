"""Overlap of predicted and wanted masks by class, on validation (SPEC S2, T3)."""

from __future__ import annotations

from typing import Any

import numpy as np

TASKS = ("segmentation",)


def overlap(epoch: Any) -> dict[str, Any]:
    """IoU by class name (`values`), shares of its wanted pixels in all and in all that were predicted (`wanted`, `predicted`),
    images that hold it (`counts`), mean IoU of training and validation, and boundary F, pooled over images. Classes without a
    wanted pixel are left out."""
    rows = epoch.validation
    wanted, iou, edges = rows["wanted"].sum(axis=0), _iou(rows), _edges(rows)
    shares = {name: rows[name].sum(axis=0) / max(rows[name].sum(), 1) for name in ("wanted", "predicted")}
    there = np.flatnonzero(wanted)
    names = [rows.classes[place] for place in there]
    return {
        "values": dict(zip(names, iou[there].tolist(), strict=True)),
        "boundary": dict(zip(names, edges[there].tolist(), strict=True)),
        **{key: dict(zip(names, values[there].tolist(), strict=True)) for key, values in shares.items()},
        "counts": dict(zip(names, (rows["wanted"] > 0).sum(axis=0)[there].tolist(), strict=True)),
        "val": float(iou[there].mean()),
        "train": float(np.nanmean(_iou(epoch.training))),
    }


def _iou(rows: Any) -> np.ndarray:
    """[k]; NaN where a class has no wanted pixel."""
    both, predicted, wanted = (rows[name].sum(axis=0) for name in ("both", "predicted", "wanted"))
    return np.where(wanted > 0, both / np.maximum(predicted + wanted - both, 1), np.nan)


def _edges(rows: Any) -> np.ndarray:
    """Boundary F of every class, [k]."""
    said, hit, wanted, found = (
        rows[f"edge_{name}"].sum(axis=0) for name in ("predicted", "predicted_hit", "wanted", "wanted_hit")
    )
    precision, recall = hit / np.maximum(said, 1), found / np.maximum(wanted, 1)
    return np.asarray(2 * precision * recall / np.maximum(precision + recall, 1e-12))
