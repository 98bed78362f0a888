"""A class for each photo, with the probabilities of all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from snellen.data.decode import decode_all
from snellen.ship.loaded import Loaded
from snellen.ship.said import Said, Sayer
from snellen.train.augment import plain
from snellen.train.job import normal_of


def classes(loaded: Loaded) -> Sayer:
    """Photos are read as those of training were, so that one of these has the probabilities that it had there."""
    mean, std = normal_of(loaded.model)

    @torch.inference_mode()
    def say(files: Sequence[Path]) -> list[Said]:
        found = decode_all(files, loaded.size)
        good = [one.pixels for one in found if one.pixels is not None]
        if not good:
            return [Said(one.verdict) for one in found]
        with loaded.setting.autocast():
            output = loaded.model(loaded.setting.place(plain(np.stack(good), loaded.size, mean, std)))
        shares = iter(loaded.task.answer(output.float()).cpu().numpy())
        return [Said(one.verdict) if one.pixels is None else _said(next(shares), loaded.classes) for one in found]

    return Sayer(("class", "probability", *(f"p({name})" for name in loaded.classes)), say)


def _said(shares: np.ndarray, names: Sequence[str]) -> Said:
    first = int(shares.argmax())
    each = {f"p({name})": round(float(share), 6) for name, share in zip(names, shares, strict=True)}
    return Said("ok", {"class": names[first], "probability": round(float(shares[first]), 6), **each}, names[first])
