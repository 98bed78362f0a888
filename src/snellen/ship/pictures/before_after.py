"""Restored images beside what was given and what was wanted, for the slider of the report; and where the scores disagree."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from snellen import store
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.rows import Statistics
from snellen.ship.loaded import Loaded
from snellen.tasks._image_scores import disagreement

# Images with the largest gain, the smallest, and those on which the scores disagree most.
BEST, WORST, DISPUTED = 2, 2, 2
# What is shown of an image: its middle, as it is, so that pixels can be judged.
SIDE = 288
# Differences are shown so many times as strong, about grey.
STRONGER = 4.0
COMPARED = ("psnr", "ssim", "feature_distance", "lpips")


def before_after(
    case: Case, loaded: Loaded, usable: Catalog, pixels: Pixels, rows: Statistics, *, tell: Callable[[str], None]
) -> None:
    """Write before_after/*.png and before_after.json: {"images": […], "correlations": {…}, "ranks": […]}."""
    columns = {name: rows[name].tolist() for name in COMPARED if name in rows.columns}
    gaps, correlations = disagreement(columns)
    chosen = _chosen(rows, gaps)
    entries = [_written(case, loaded, usable, pixels, rows, place, why) for place, why in chosen.items()]
    ranks = [
        {"id": rows.ids[place], "gap": float(gaps[place]), **{name: values[place] for name, values in columns.items()}}
        for place in np.argsort(-np.nan_to_num(gaps, nan=-1.0))[:8]
    ]
    case.write("before_after", {"images": entries, "correlations": correlations, "ranks": ranks, "n": len(rows.ids)})


def _chosen(rows: Statistics, gaps: np.ndarray) -> dict[int, str]:
    """Places of the images that are shown, each with why."""
    order = np.argsort(-(rows["psnr"] - rows["baseline_psnr"]), kind="stable").tolist()
    found = dict.fromkeys(order[-WORST:][::-1], "worst") | dict.fromkeys(order[:BEST], "best")
    left = [place for place in np.argsort(-np.nan_to_num(gaps, nan=-1.0)).tolist() if place not in found]
    return found | dict.fromkeys(left[:DISPUTED], "disputed")


def _written(
    case: Case, loaded: Loaded, usable: Catalog, pixels: Pixels, rows: Statistics, place: int, why: str
) -> dict[str, object]:
    samples = loaded.samples(usable.take(usable.rows([rows.ids[place]])), pixels)
    assert samples.truth is not None, "images are restored from what a reader gives"
    given = next(iter(samples.truth.plain(samples, loaded.size, (), ())))
    wanted, plain = samples.truth.wanted(np.arange(1), loaded.size)[0]
    with torch.inference_mode():
        output = loaded.model(loaded.setting.place(given)).float().cpu().clamp(0, 1)[0]
    scale = wanted.shape[-1] // given.shape[-1]
    views = {
        "given": _middle(given[0], SIDE // scale), "plain": _middle(plain, SIDE), "restored": _middle(output, SIDE),
        "wanted": _middle(wanted, SIDE), "difference": _middle(0.5 + STRONGER * (output - wanted), SIDE),
    }  # fmt: skip
    name = rows.ids[place].replace("~", "-")
    paths = {}
    for kind, image in views.items():
        paths[kind] = f"before_after/{name}-{kind}.png"
        store.write_bytes(case.folder / paths[kind], _png(image))
    scores = {key: float(values[place]) for key, values in rows.columns.items()}
    return {"id": rows.ids[place], "why": why, "scale": scale, "paths": paths, "scores": scores}


def _middle(image: Tensor, side: int) -> Tensor:
    top, left = (max(0, (length - side) // 2) for length in image.shape[1:])
    return image[:, top : top + side, left : left + side]


def _png(image: Tensor) -> bytes:
    pixels = image.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
