"""Files that the tests of reading write: small images, annotations, and what a catalog says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from snellen.catalog import Catalog

WIDTH, HEIGHT = 40, 30


def draw(path: Path, seed: int = 0, *, turn: int = 1, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """Write an image that differs by seed, with an EXIF orientation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def write(path: Path, value: Any) -> Path:
    """Write bytes or text as they are, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = value if isinstance(value, bytes | str) else json.dumps(value)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def column(catalog: Catalog, name: str) -> list[Any]:
    return list(catalog.table.column(name).to_pylist())
