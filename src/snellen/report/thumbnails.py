"""Thumbnails: small JPEGs of catalog samples as data: URIs, up to a limit for the whole page."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from snellen.catalog import Catalog

SIDE = 96
LIMIT = 200
# What else may be opened besides a usable sample: a file that was found too large or no image stays shut.
OPENED = ("ok", "truncated", "blank")


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """`src` is a data: URI, or None where the file cannot be shown; `state` (verdict, gone, unreadable) says why."""

    sample: str
    path: str
    target: str
    src: str | None
    state: str


@dataclass(slots=True)
class Thumbnails:
    """Thumbnails of one catalog's samples, each made once; `limit` bounds how many images the page embeds."""

    catalog: Catalog
    limit: int = LIMIT
    side: int = SIDE
    _made: dict[str, Thumbnail] = field(default_factory=dict)
    _rows: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._rows = {sample: row for row, sample in enumerate(self.catalog.ids)}

    def of(self, samples: list[str] | tuple[str, ...]) -> list[Thumbnail]:
        """Thumbnails of these ids in order; ids that are unknown or past the limit are left out."""
        found = []
        for sample in samples:
            if sample not in self._made and sample in self._rows and len(self._made) < self.limit:
                self._made[sample] = self._make(sample)
            if sample in self._made:
                found.append(self._made[sample])
        return found

    @property
    def rows(self) -> dict[str, int]:
        """Row of the catalog by sample id."""
        return self._rows

    def _make(self, sample: str) -> Thumbnail:
        row = self.catalog.table.slice(self._rows[sample], 1).to_pylist()[0]
        src, state = None, str(row["verdict"])
        if state in OPENED:
            src, state = embed(Path(row["root"]) / row["path"], side=self.side)
        return Thumbnail(sample, row["path"], row["target"], src, state)


def embed(path: Path, *, side: int, quality: int = 78) -> tuple[str | None, str]:
    """An image file as a data: URI at most `side` pixels wide and high, and "ok"; else None and why not."""
    if not path.is_file():
        return None, "gone"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = small(path, side)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        # The audit has judged the file; here it only cannot be drawn, and the page says so in its place.
        return None, "unreadable"
    sink = io.BytesIO()
    picture.save(sink, "JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(sink.getvalue()).decode("ascii"), "ok"


def small(path: Path, side: int) -> Image.Image:
    """The upright image in RGB at most `side` pixels wide and high; raises what Pillow raises for a file that it cannot read."""
    # What is left of a truncated file is worth seeing; elsewhere pixels are never made up.
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        with Image.open(path) as image:
            image.draft("RGB", (side, side))
            picture = rgb(ImageOps.exif_transpose(image))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
    picture.thumbnail((side, side))
    return picture


def rgb(image: Image.Image) -> Image.Image:
    """The image in 8-bit RGB: 16-bit and float values scaled to their range, transparency on white."""
    if image.mode.startswith(("I", "F")):
        values = np.nan_to_num(np.asarray(image, dtype=np.float64))
        top = 65535.0 if values.max(initial=0.0) > 255 else 255.0
        return Image.fromarray((values.clip(0, top) / top * 255).astype(np.uint8)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")
