"""A restored image for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from snellen.data.decode import decode, whole
from snellen.ship.loaded import Loaded
from snellen.ship.said import Said, Sayer


def restored(loaded: Loaded) -> Sayer:
    """Images keep their size, times the scale; large ones are taken tile by tile, without seams."""
    return Sayer(("width", "height"), lambda files: [_said(loaded, file) for file in files])


@torch.inference_mode()
def _said(loaded: Loaded, file: Path) -> Said:
    verdict = decode(file, loaded.size).verdict
    if verdict != "ok":
        return Said(verdict)
    given = torch.from_numpy(whole(file)).permute(2, 0, 1)[None].float() / 255
    with loaded.setting.autocast():
        output = loaded.model(loaded.setting.place(given))
    pixels = (loaded.task.answer(output.float())[0] * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    height, width = pixels.shape[:2]
    return Said(
        "ok", {"width": width, "height": height}, f"{width} x {height}", Image.fromarray(np.ascontiguousarray(pixels))
    )
