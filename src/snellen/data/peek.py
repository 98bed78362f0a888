"""Peek: image sizes from the headers alone, before anything is decoded."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import PIL.Image

from snellen.catalog import OK, Catalog
from snellen.data.decode import file_verdict
from snellen.values import SnellenError

MOST = 400


def shorter_side(catalog: Catalog) -> float:
    """Median shorter side in pixels over at most 400 evenly spaced images whose header can be read."""
    paths = catalog.paths()
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), MOST)).round().astype(int))
    sides = [side for side in (_side(paths[index]) for index in chosen) if side]
    if not sides:
        raise SnellenError(
            f"none of {len(chosen)} files could be read as an image, beginning with {paths[0]}; see the audit"
        )
    return float(np.median(sides))


def _side(path: Path) -> int:
    if file_verdict(path) != OK:  # A pipe would wait for ever, an empty file says nothing.
        return 0
    try:
        with warnings.catch_warnings():
            # A header that promises too many pixels is the audit's business; nothing is decoded here.
            warnings.simplefilter("ignore")
            with PIL.Image.open(path) as image:
                return min(image.size)
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):
        return 0
