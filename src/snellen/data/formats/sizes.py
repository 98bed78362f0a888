"""Sizes of images from their headers, and how EXIF turns them; nothing is decoded."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import PIL.Image
from PIL import ExifTags

from snellen.data.content import cores
from snellen.data.decode import FORMATS, file_verdict

# EXIF orientations that exchange width and height.
ACROSS = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels as shown; `turn` is the EXIF orientation, 1 to 8."""

    width: int
    height: int
    turn: int = 1


def sizes(files: Sequence[Path]) -> list[Size | None]:
    """Size of every image; None where the header cannot be read (the pixel pass will say why)."""
    with warnings.catch_warnings(), ThreadPoolExecutor(cores()) as pool:
        # A header that promises too many pixels, or a damaged EXIF block, is the pixel pass's business.
        warnings.simplefilter("ignore")
        return list(pool.map(_size, files))


def _size(file: Path) -> Size | None:
    if file_verdict(file) != "ok":
        return None
    try:
        with PIL.Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            turn = int(image.getexif().get(ExifTags.Base.Orientation) or 1)
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error, PIL.Image.DecompressionBombError):
        return None
    return Size(height, width, turn) if turn in ACROSS else Size(width, height, turn)
