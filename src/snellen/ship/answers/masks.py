"""A mask for each photo, of the photo's size: class numbers, in a palette that can be looked at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from snellen.data.decode import decode, whole
from snellen.ship.loaded import Loaded
from snellen.ship.pictures.overlays import COLOURS
from snellen.ship.said import Said, Sayer
from snellen.ship.tiles import mask_of


def masks(loaded: Loaded) -> Sayer:
    """Photos are seen whole or window by window (ship/tiles); the table has the share of the pixels of every class."""
    columns = tuple(f"share({name})" for name in loaded.classes)
    return Sayer(columns, lambda files: [_said(loaded, file) for file in files])


def _said(loaded: Loaded, file: Path) -> Said:
    verdict = decode(file, loaded.size).verdict
    if verdict != "ok":
        return Said(verdict)
    numbers = mask_of(loaded, whole(file))
    shares = np.bincount(numbers.reshape(-1), minlength=len(loaded.classes)) / numbers.size
    picture = Image.fromarray(numbers, mode="P")
    picture.putpalette([value for number in range(len(loaded.classes)) for value in _colour(number)])
    there = [name for name, share in zip(loaded.classes, shares, strict=True) if share]
    row = {f"share({name})": round(float(share), 6) for name, share in zip(loaded.classes, shares, strict=True)}
    return Said("ok", row, " + ".join(there), picture)


def _colour(number: int) -> tuple[int, int, int]:
    """The first class is black: the background, where it is first."""
    return COLOURS[(number - 1) % len(COLOURS)] if number else (0, 0, 0)
