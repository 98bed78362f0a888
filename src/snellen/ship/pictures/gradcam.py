"""Grad-CAM overlays of the most confident right and wrong predictions."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch

from snellen import store
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.rows import Predictions
from snellen.ship.gradcam import overlays
from snellen.ship.loaded import Loaded
from snellen.train.augment import normalise
from snellen.train.job import normal_of

# Right and wrong predictions that are shown, of each; where the budget in seconds is below SHORT, fewer.
SHOWN, FEW, SHORT = 12, 4, 300.0


def gradcam(
    case: Case, loaded: Loaded, usable: Catalog, pixels: Pixels, rows: Predictions, *, tell: Callable[[str], None]
) -> None:
    """Write gradcam/*.jpg and gradcam.json; says so where the library is not there."""
    if find_spec("pytorch_grad_cam") is None:
        tell("no Grad-CAM pictures: they need the extra, pip install 'snellen[explain]'")
        return
    budget = (case.read("settings") or {}).get("budget")
    shown = SHOWN if budget is None or budget >= SHORT else FEW
    confident = rows.probabilities.max(axis=1)
    chosen = [
        place
        for right in (False, True)
        for place in np.flatnonzero(rows.correct == right)[np.argsort(-confident[rows.correct == right])][:shown]
    ]
    part = usable.take(usable.rows([rows.ids[place] for place in chosen]))
    images = loaded.images(part, pixels)
    predicted = rows.predicted[chosen]
    normal = normalise(torch.from_numpy(images), *normal_of(loaded.model))
    raw = (images.transpose(0, 2, 3, 1) * 255).round().astype(np.uint8)
    entries = []
    for place, picture in zip(chosen, overlays(loaded.model, normal, raw, predicted.tolist()), strict=True):
        path = f"gradcam/{rows.ids[place].replace('~', '-')}.jpg"
        store.write_bytes(case.folder / path, picture)
        entries.append(
            {
                "id": rows.ids[place], "path": path, "target": rows.classes[rows.targets[place]],
                "predicted": rows.classes[rows.predicted[place]], "probability": float(confident[place]),
                "right": bool(rows.correct[place]),
            }
        )  # fmt: skip
    case.write("gradcam", entries)
